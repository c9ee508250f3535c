// test: pass=autodiff
"func.func"() ({  // error: TC0511 2 float results
^bb0(%x: tensor<f64>):
  "func.return"(%x, %x) : (tensor<f64>, tensor<f64>) -> ()
}) {sym_name = "f", function_type = (tensor<f64>) -> (tensor<f64>, tensor<f64>)} : () -> ()
