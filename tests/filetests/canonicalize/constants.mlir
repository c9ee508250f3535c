// test: pass=canonicalize
// Constants fold, uniform ones also where the extent is unknown; what raises is left to the run.
// run: @f([1.0, nan]) == [7.0, nan]
"func.func"() ({
^bb0(%x: tensor<?xf64>):
  %two = "tensorc.constant"() {value = dense<2.0> : tensor<f64>} : () -> tensor<f64>
  %three = "tensorc.constant"() {value = dense<3.0> : tensor<f64>} : () -> tensor<f64>
  %n = "tensorc.dim"(%x) {axis = 0 : i64} : (tensor<?xf64>) -> index
  %a = "tensorc.broadcast_to"(%two, %n) {shape = array<i64: -1>} : (tensor<f64>, index) -> tensor<?xf64>
  %b = "tensorc.broadcast_to"(%three, %n) {shape = array<i64: -1>} : (tensor<f64>, index) -> tensor<?xf64>
  %c = "tensorc.mul"(%a, %b) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %r = "tensorc.add"(%c, %x) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  "func.return"(%r) : (tensor<?xf64>) -> ()
}) {sym_name = "f", function_type = (tensor<?xf64>) -> tensor<?xf64>} : () -> ()
// ---- expect
"builtin.module"() ({
  "func.func"() ({
  ^bb0(%arg0: tensor<?xf64>):
    %0 = "tensorc.dim"(%arg0) {axis = 0 : i64} : (tensor<?xf64>) -> index
    %1 = "tensorc.constant"() {value = dense<6.0> : tensor<f64>} : () -> tensor<f64>
    %2 = "tensorc.broadcast_to"(%1, %0) {shape = array<i64: -1>} : (tensor<f64>, index) -> tensor<?xf64>
    %3 = "tensorc.add"(%arg0, %2) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
    "func.return"(%3) : (tensor<?xf64>) -> ()
  }) {function_type = (tensor<?xf64>) -> tensor<?xf64>, sym_name = "f"} : () -> ()
}) : () -> ()
// -----
"func.func"() ({
^bb0:
  %x = "tensorc.constant"() {value = dense<[1.0, 2.0]> : tensor<2xf64>} : () -> tensor<2xf64>
  %i = "tensorc.constant"() {value = dense<5> : tensor<1xi64>} : () -> tensor<1xi64>
  %r = "tensorc.gather"(%x, %i) {axis = 0 : i64} : (tensor<2xf64>, tensor<1xi64>) -> tensor<1xf64>
  "func.return"(%r) : (tensor<1xf64>) -> ()
}) {sym_name = "f", function_type = () -> tensor<1xf64>} : () -> ()
// ---- expect
"builtin.module"() ({
  "func.func"() ({
    %0 = "tensorc.constant"() {value = dense<[1.0, 2.0]> : tensor<2xf64>} : () -> tensor<2xf64>
    %1 = "tensorc.constant"() {value = dense<5> : tensor<i64>} : () -> tensor<i64>
    %2 = "tensorc.broadcast_to"(%1) {shape = array<i64: 1>} : (tensor<i64>) -> tensor<1xi64>
    %3 = "tensorc.gather"(%0, %2) {axis = 0 : i64} : (tensor<2xf64>, tensor<1xi64>) -> tensor<1xf64>
    "func.return"(%3) : (tensor<1xf64>) -> ()
  }) {function_type = () -> tensor<1xf64>, sym_name = "f"} : () -> ()
}) : () -> ()
