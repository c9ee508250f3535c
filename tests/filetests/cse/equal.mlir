// test: pass=cse
// run: @f([1.0], [2.0]) == [9.0]
"func.func"() ({
^bb0(%x: tensor<?xf64>, %y: tensor<?xf64>):
  %a = "tensorc.add"(%x, %y) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %b = "tensorc.add"(%y, %x) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %c = "tensorc.mul"(%a, %b) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  "func.return"(%c) : (tensor<?xf64>) -> ()
}) {sym_name = "f", function_type = (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>} : () -> ()
// ---- expect
"builtin.module"() ({
  "func.func"() ({
  ^bb0(%arg0: tensor<?xf64>, %arg1: tensor<?xf64>):
    %0 = "tensorc.add"(%arg0, %arg1) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
    %1 = "tensorc.mul"(%0, %0) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
    "func.return"(%1) : (tensor<?xf64>) -> ()
  }) {function_type = (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>, sym_name = "f"} : () -> ()
}) : () -> ()
