// test: run
// Softmax neither overflows nor loses mass; rows of one element work.
// run: @softmax([[1000.0, 1000.0], [-1000.0, 0.0]]) ~= [[0.5, 0.5], [0.0, 1.0]]
// run: @softmax([[3.0], [-inf]]) ~= [[1.0], [nan]]
"func.func"() ({
^bb0(%x: tensor<?x?xf64>):
  %y = "tensorc.softmax"(%x) {axes = array<i64: 1>} : (tensor<?x?xf64>) -> tensor<?x?xf64>
  "func.return"(%y) : (tensor<?x?xf64>) -> ()
}) {sym_name = "softmax", function_type = (tensor<?x?xf64>) -> tensor<?x?xf64>} : () -> ()
// -----
// run: @views([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [10.0, 20.0]) == [[11.0, 24.0], [12.0, 25.0], [13.0, 26.0]]
// run: @views([[1.0], [2.0]], [0.5, nan]) == [[1.5, nan]]
"func.func"() ({
^bb0(%x: tensor<2x?xf64>, %b: tensor<2xf64>):
  %n = "tensorc.dim"(%x) {axis = 1 : i64} : (tensor<2x?xf64>) -> index
  %t = "tensorc.transpose"(%x) {perm = array<i64: 1, 0>} : (tensor<2x?xf64>) -> tensor<?x2xf64>
  %w = "tensorc.broadcast_to"(%b, %n) {shape = array<i64: -1, 2>} : (tensor<2xf64>, index) -> tensor<?x2xf64>
  %r = "tensorc.add"(%t, %w) : (tensor<?x2xf64>, tensor<?x2xf64>) -> tensor<?x2xf64>
  "func.return"(%r) : (tensor<?x2xf64>) -> ()
}) {sym_name = "views", function_type = (tensor<2x?xf64>, tensor<2xf64>) -> tensor<?x2xf64>} : () -> ()
