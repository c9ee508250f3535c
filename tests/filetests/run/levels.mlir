// test: pass=O0
// The same numbers at every level: an overflowing cross-entropy, as a user writes it.
// run: @xent([1000.0, -1000.0, 0.0], [1.0, 0.0, 1.0]) ~= [0.0, 0.0, 0.6931471805599453]
"func.func"() ({
^bb0(%x: tensor<?xf64>, %y: tensor<?xf64>):
  %n = "tensorc.dim"(%x) {axis = 0 : i64} : (tensor<?xf64>) -> index
  %1 = "tensorc.constant"() {value = dense<1.0> : tensor<f64>} : () -> tensor<f64>
  %one = "tensorc.broadcast_to"(%1, %n) {shape = array<i64: -1>} : (tensor<f64>, index) -> tensor<?xf64>
  %m = "tensorc.neg"(%x) : (tensor<?xf64>) -> tensor<?xf64>
  %e = "tensorc.softplus"(%m) : (tensor<?xf64>) -> tensor<?xf64>
  %s = "tensorc.softplus"(%x) : (tensor<?xf64>) -> tensor<?xf64>
  %r = "tensorc.sub"(%one, %y) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %a = "tensorc.mul"(%y, %e) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %b = "tensorc.mul"(%r, %s) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %c = "tensorc.add"(%a, %b) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  "func.return"(%c) : (tensor<?xf64>) -> ()
}) {sym_name = "xent", function_type = (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>} : () -> ()
// -----
// test: pass=O1
// The same numbers at every level: an overflowing cross-entropy, as a user writes it.
// run: @xent([1000.0, -1000.0, 0.0], [1.0, 0.0, 1.0]) ~= [0.0, 0.0, 0.6931471805599453]
"func.func"() ({
^bb0(%x: tensor<?xf64>, %y: tensor<?xf64>):
  %n = "tensorc.dim"(%x) {axis = 0 : i64} : (tensor<?xf64>) -> index
  %1 = "tensorc.constant"() {value = dense<1.0> : tensor<f64>} : () -> tensor<f64>
  %one = "tensorc.broadcast_to"(%1, %n) {shape = array<i64: -1>} : (tensor<f64>, index) -> tensor<?xf64>
  %m = "tensorc.neg"(%x) : (tensor<?xf64>) -> tensor<?xf64>
  %e = "tensorc.softplus"(%m) : (tensor<?xf64>) -> tensor<?xf64>
  %s = "tensorc.softplus"(%x) : (tensor<?xf64>) -> tensor<?xf64>
  %r = "tensorc.sub"(%one, %y) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %a = "tensorc.mul"(%y, %e) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %b = "tensorc.mul"(%r, %s) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %c = "tensorc.add"(%a, %b) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  "func.return"(%c) : (tensor<?xf64>) -> ()
}) {sym_name = "xent", function_type = (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>} : () -> ()
// -----
// test: pass=O2
// The same numbers at every level: an overflowing cross-entropy, as a user writes it.
// run: @xent([1000.0, -1000.0, 0.0], [1.0, 0.0, 1.0]) ~= [0.0, 0.0, 0.6931471805599453]
"func.func"() ({
^bb0(%x: tensor<?xf64>, %y: tensor<?xf64>):
  %n = "tensorc.dim"(%x) {axis = 0 : i64} : (tensor<?xf64>) -> index
  %1 = "tensorc.constant"() {value = dense<1.0> : tensor<f64>} : () -> tensor<f64>
  %one = "tensorc.broadcast_to"(%1, %n) {shape = array<i64: -1>} : (tensor<f64>, index) -> tensor<?xf64>
  %m = "tensorc.neg"(%x) : (tensor<?xf64>) -> tensor<?xf64>
  %e = "tensorc.softplus"(%m) : (tensor<?xf64>) -> tensor<?xf64>
  %s = "tensorc.softplus"(%x) : (tensor<?xf64>) -> tensor<?xf64>
  %r = "tensorc.sub"(%one, %y) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %a = "tensorc.mul"(%y, %e) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %b = "tensorc.mul"(%r, %s) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %c = "tensorc.add"(%a, %b) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  "func.return"(%c) : (tensor<?xf64>) -> ()
}) {sym_name = "xent", function_type = (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>} : () -> ()
