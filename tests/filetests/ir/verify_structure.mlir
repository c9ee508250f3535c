// test: verify
"func.func"() ({
^bb0(%x: tensor<3xf64>, %i: index):
  %a = "tensorc.nobody"(%x) : (tensor<3xf64>) -> tensor<3xf64> // error: TC0120 is not a registered op
  %b = "tensorc.neg"(%x) {speed = 3} : (tensor<3xf64>) -> tensor<3xf64> // error: TC0121 unknown attribute `speed`
  %c = "tensorc.neg"(%x) {my.note = 3} : (tensor<3xf64>) -> tensor<3xf64>
  %d = "tensorc.neg"(%x) : (tensor<3xf64>) -> tensor<?xf64> // error: TC0125 inference says (tensor<3xf64>)
  %e = "tensorc.sum"(%x) : (tensor<3xf64>) -> tensor<f64> // error: TC0122 `axes` is missing
  %f = "tensorc.sum"(%x) {axes = 0} : (tensor<3xf64>) -> tensor<f64> // error: TC0122 `axes` has the wrong kind
  %g = "tensorc.neg"() : () -> tensor<3xf64> // error: TC0200 takes 1 operands
  "func.return"(%x) : (tensor<3xf64>) -> () // error: TC0126 returns (tensor<3xf64>), the function declares () // error: TC0124 not the last op
  "func.return"() : () -> ()
}) {sym_name = "f", function_type = (tensor<3xf64>, index) -> ()} : () -> ()
// -----
"func.func"() ({
^bb0(%x: tensor<3xf64>):
  %y = "func.call"(%x) {callee = @g} : (tensor<3xf64>) -> tensor<3xf64> // error: TC0129 @g takes (f64)
  %z = "func.call"(%x) {callee = @h} : (tensor<3xf64>) -> tensor<3xf64> // error: TC0129 there is no function @h
  "func.return"() : () -> ()
}) {sym_name = "f", function_type = (tensor<3xf64>) -> ()} : () -> ()
"func.func"() ({}) {sym_name = "g", function_type = (f64) -> tensor<3xf64>, sym_visibility = "private"} : () -> ()
"func.func"() ({}) {sym_name = "g", function_type = () -> (), sym_visibility = "private"} : () -> () // error: TC0128 defined twice
// -----
"func.func"() ({
^bb0(%x: tensor<3xf64>): // the next line uses a value too early
  %z = "tensorc.add"(%x, %y) : (tensor<3xf64>, tensor<3xf64>) -> tensor<3xf64> // error: TC0102 %y is defined at line 31
  %y = "tensorc.neg"(%x) : (tensor<3xf64>) -> tensor<3xf64>
  "func.return"() : () -> ()
}) {sym_name = "f", function_type = (tensor<3xf64>) -> ()} : () -> ()
