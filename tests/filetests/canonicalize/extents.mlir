// test: pass=canonicalize
// Every extent is traced to an argument; a broadcast to the shape a value has is nothing.
// run: @f([1.0, 2.0], [3.0]) == [5.0, 6.0]
"func.func"() ({
^bb0(%x: tensor<?xf64>, %y: tensor<?xf64>):
  %zero = "tensorc.constant"() {value = dense<0.0> : tensor<f64>} : () -> tensor<f64>
  %one = "tensorc.constant"() {value = dense<1.0> : tensor<f64>} : () -> tensor<f64>
  %n = "tensorc.dim"(%x) {axis = 0 : i64} : (tensor<?xf64>) -> index
  %m = "tensorc.dim"(%y) {axis = 0 : i64} : (tensor<?xf64>) -> index
  %e = "tensorc.broadcast_extents"(%n, %m) : (index, index) -> index
  %bx = "tensorc.broadcast_to"(%x, %e) {shape = array<i64: -1>} : (tensor<?xf64>, index) -> tensor<?xf64>
  %by = "tensorc.broadcast_to"(%y, %e) {shape = array<i64: -1>} : (tensor<?xf64>, index) -> tensor<?xf64>
  %s = "tensorc.add"(%bx, %by) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %k = "tensorc.dim"(%s) {axis = 0 : i64} : (tensor<?xf64>) -> index
  %f = "tensorc.broadcast_extents"(%k, %e) : (index, index) -> index
  %t = "tensorc.broadcast_to"(%s, %f) {shape = array<i64: -1>} : (tensor<?xf64>, index) -> tensor<?xf64>
  %ones = "tensorc.broadcast_to"(%one, %f) {shape = array<i64: -1>} : (tensor<f64>, index) -> tensor<?xf64>
  %u = "tensorc.add"(%ones, %t) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  "func.return"(%u) : (tensor<?xf64>) -> ()
}) {sym_name = "f", function_type = (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>} : () -> ()
// ---- expect
"builtin.module"() ({
  "func.func"() ({
  ^bb0(%arg0: tensor<?xf64>, %arg1: tensor<?xf64>):
    %0 = "tensorc.constant"() {value = dense<1.0> : tensor<f64>} : () -> tensor<f64>
    %1 = "tensorc.dim"(%arg0) {axis = 0 : i64} : (tensor<?xf64>) -> index
    %2 = "tensorc.dim"(%arg1) {axis = 0 : i64} : (tensor<?xf64>) -> index
    %3 = "tensorc.broadcast_extents"(%1, %2) : (index, index) -> index
    %4 = "tensorc.broadcast_to"(%arg0, %3) {shape = array<i64: -1>} : (tensor<?xf64>, index) -> tensor<?xf64>
    %5 = "tensorc.broadcast_to"(%arg1, %3) {shape = array<i64: -1>} : (tensor<?xf64>, index) -> tensor<?xf64>
    %6 = "tensorc.add"(%4, %5) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
    %7 = "tensorc.broadcast_to"(%0, %3) {shape = array<i64: -1>} : (tensor<f64>, index) -> tensor<?xf64>
    %8 = "tensorc.add"(%6, %7) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
    "func.return"(%8) : (tensor<?xf64>) -> ()
  }) {function_type = (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>, sym_name = "f"} : () -> ()
}) : () -> ()
// -----
// A view that may fail at run time stays: reshaping to (3, m) and back is an error unless m fits.
"func.func"() ({
^bb0(%x: tensor<?xf64>, %m: index, %k: index):
  %n = "tensorc.dim"(%x) {axis = 0 : i64} : (tensor<?xf64>) -> index
  %a = "tensorc.reshape"(%x, %m) {shape = array<i64: 3, -1>} : (tensor<?xf64>, index) -> tensor<3x?xf64>
  %b = "tensorc.reshape"(%a, %n) {shape = array<i64: -1>} : (tensor<3x?xf64>, index) -> tensor<?xf64>
  %c = "tensorc.broadcast_to"(%b, %k) {shape = array<i64: -1>} : (tensor<?xf64>, index) -> tensor<?xf64>
  %d = "tensorc.broadcast_to"(%c, %n) {shape = array<i64: -1>} : (tensor<?xf64>, index) -> tensor<?xf64>
  "func.return"(%d) : (tensor<?xf64>) -> ()
}) {sym_name = "f", function_type = (tensor<?xf64>, index, index) -> tensor<?xf64>} : () -> ()
// ---- expect
"builtin.module"() ({
  "func.func"() ({
  ^bb0(%arg0: tensor<?xf64>, %arg1: index, %arg2: index):
    %0 = "tensorc.dim"(%arg0) {axis = 0 : i64} : (tensor<?xf64>) -> index
    %1 = "tensorc.reshape"(%arg0, %arg1) {shape = array<i64: 3, -1>} : (tensor<?xf64>, index) -> tensor<3x?xf64>
    %2 = "tensorc.reshape"(%1, %0) {shape = array<i64: -1>} : (tensor<3x?xf64>, index) -> tensor<?xf64>
    %3 = "tensorc.broadcast_to"(%2, %arg2) {shape = array<i64: -1>} : (tensor<?xf64>, index) -> tensor<?xf64>
    %4 = "tensorc.broadcast_to"(%3, %0) {shape = array<i64: -1>} : (tensor<?xf64>, index) -> tensor<?xf64>
    "func.return"(%4) : (tensor<?xf64>) -> ()
  }) {function_type = (tensor<?xf64>, index, index) -> tensor<?xf64>, sym_name = "f"} : () -> ()
}) : () -> ()
