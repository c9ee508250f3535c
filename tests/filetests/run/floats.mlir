// test: run
// Signs of zero, NaN and infinities go where IEEE arithmetic puts them.
// run: @special([0.0, -0.0, inf, nan], [-1.0, 0.0, -inf, 1.0]) == [-0.0, -0.0, -inf, nan], [-1.0, 0.0, nan, nan], [False, True, False, False]
"func.func"() ({
^bb0(%x: tensor<?xf64>, %y: tensor<?xf64>):
  %m = "tensorc.mul"(%x, %y) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %a = "tensorc.add"(%x, %y) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %e = "tensorc.eq"(%x, %y) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xi1>
  "func.return"(%m, %a, %e) : (tensor<?xf64>, tensor<?xf64>, tensor<?xi1>) -> ()
}) {sym_name = "special", function_type = (tensor<?xf64>, tensor<?xf64>) -> (tensor<?xf64>, tensor<?xf64>, tensor<?xi1>)} : () -> ()
// -----
// run: @sums([[1.0, 2.0], [3.0, nan]]) == [3.0, nan], nan
// run: @sums([[], []]) == [0.0, 0.0], 0.0
// run: @sums([[0.1]]) ~= [0.1], 0.1
"func.func"() ({
^bb0(%x: tensor<?x?xf64>):
  %r = "tensorc.sum"(%x) {axes = array<i64: 1>} : (tensor<?x?xf64>) -> tensor<?xf64>
  %t = "tensorc.sum"(%x) {axes = array<i64: 0, 1>} : (tensor<?x?xf64>) -> tensor<f64>
  "func.return"(%r, %t) : (tensor<?xf64>, tensor<f64>) -> ()
}) {sym_name = "sums", function_type = (tensor<?x?xf64>) -> (tensor<?xf64>, tensor<f64>)} : () -> ()
// -----
// run: @to_int([1.9, -1.9, nan, 1.0e30]) == [1, -1, -2147483648, -2147483648]
"func.func"() ({
^bb0(%x: tensor<4xf64>):
  %r = "tensorc.cast"(%x) {to = i32} : (tensor<4xf64>) -> tensor<4xi32>
  "func.return"(%r) : (tensor<4xi32>) -> ()
}) {sym_name = "to_int", function_type = (tensor<4xf64>) -> tensor<4xi32>} : () -> ()
