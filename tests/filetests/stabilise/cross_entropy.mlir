// test: pass=canonicalize,stabilise,canonicalize
// -log(softmax(x))[arange(n), y], the softmax written as a quotient, picked by a flat position.
// run: @f([[3.0, 1.0, 2.0], [0.0, 0.0, 0.0]], [0, 4]) ~= [0.4076059644443803, 1.0986122886681098]
"func.func"() ({
^bb0(%x: tensor<?x3xf64>, %at: tensor<?xi64>):
  %n = "tensorc.dim"(%x) {axis = 0 : i64} : (tensor<?x3xf64>) -> index
  %e = "tensorc.exp"(%x) : (tensor<?x3xf64>) -> tensor<?x3xf64>
  %s = "tensorc.sum"(%e) {axes = array<i64: 1>} : (tensor<?x3xf64>) -> tensor<?xf64>
  %k = "tensorc.reshape"(%s, %n) {shape = array<i64: -1, 1>} : (tensor<?xf64>, index) -> tensor<?x1xf64>
  %b = "tensorc.broadcast_to"(%k, %n) {shape = array<i64: -1, 3>} : (tensor<?x1xf64>, index) -> tensor<?x3xf64>
  %p = "tensorc.div"(%e, %b) : (tensor<?x3xf64>, tensor<?x3xf64>) -> tensor<?x3xf64>
  %three = "arith.constant"() {value = 3 : index} : () -> index
  %size = "arith.muli"(%n, %three) : (index, index) -> index
  %flat = "tensorc.reshape"(%p, %size) {shape = array<i64: -1>} : (tensor<?x3xf64>, index) -> tensor<?xf64>
  %g = "tensorc.gather"(%flat, %at) {axis = 0 : i64} : (tensor<?xf64>, tensor<?xi64>) -> tensor<?xf64>
  %l = "tensorc.log"(%g) : (tensor<?xf64>) -> tensor<?xf64>
  %r = "tensorc.neg"(%l) : (tensor<?xf64>) -> tensor<?xf64>
  "func.return"(%r) : (tensor<?xf64>) -> ()
}) {sym_name = "f", function_type = (tensor<?x3xf64>, tensor<?xi64>) -> tensor<?xf64>} : () -> ()
// ---- expect
"builtin.module"() ({
  "func.func"() ({
  ^bb0(%arg0: tensor<?x3xf64>, %arg1: tensor<?xi64>):
    %0 = "tensorc.dim"(%arg0) {axis = 0 : i64} : (tensor<?x3xf64>) -> index
    %1 = "arith.constant"() {value = 3 : index} : () -> index
    %2 = "arith.muli"(%0, %1) : (index, index) -> index
    %3 = "tensorc.log_softmax"(%arg0) {axes = array<i64: 1>} : (tensor<?x3xf64>) -> tensor<?x3xf64>
    %4 = "tensorc.reshape"(%3, %2) {shape = array<i64: -1>} : (tensor<?x3xf64>, index) -> tensor<?xf64>
    %5 = "tensorc.gather"(%4, %arg1) {axis = 0 : i64} : (tensor<?xf64>, tensor<?xi64>) -> tensor<?xf64>
    %6 = "tensorc.neg"(%5) : (tensor<?xf64>) -> tensor<?xf64>
    "func.return"(%6) : (tensor<?xf64>) -> ()
  }) {function_type = (tensor<?x3xf64>, tensor<?xi64>) -> tensor<?xf64>, sym_name = "f"} : () -> ()
}) : () -> ()
