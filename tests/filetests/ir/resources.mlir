// test: roundtrip
"func.func"() ({
^bb0(%w: tensor<3xf32>, %b: tensor<2xi64>):
  "func.return"() : () -> ()
}) {sym_name = "f", function_type = (tensor<3xf32>, tensor<2xi64>) -> (), arg_attrs = [
  {tensorc.value = dense_resource<w> : tensor<3xf32>}, {tensorc.value = dense_resource<"b 1"> : tensor<2xi64>}
]} : () -> ()
{-#
  dialect_resources: {
    builtin: {
      "b 1": "0x0800000001000000000000000200000000000000",
      unused: "0x04000000",
      w: "0x040000000000803F000000400000C07F"
    }
  }
#-}
// ---- expect
"builtin.module"() ({
  "func.func"() ({
  ^bb0(%arg0: tensor<3xf32>, %arg1: tensor<2xi64>):
    "func.return"() : () -> ()
  }) {arg_attrs = [{tensorc.value = dense_resource<w> : tensor<3xf32>}, {tensorc.value = dense_resource<b_1> : tensor<2xi64>}], function_type = (tensor<3xf32>, tensor<2xi64>) -> (), sym_name = "f"} : () -> ()
}) : () -> ()

{-#
  dialect_resources: {
    builtin: {
      w: "0x400000000000803F000000400000C07F",
      b_1: "0x4000000001000000000000000200000000000000"
    }
  }
#-}
