// test: run
// Integer arithmetic is NumPy's on x86-64, and never a fault.
// run: @divide([7, -7, 7, -7, 5, -2147483648, 0], [2, 2, -2, -2, 0, -1, 0]) == [3, -4, -4, 3, 0, -2147483648, 0], [1, 1, -1, -1, 0, 0, 0]
// run: @divide([], []) == [], []
"func.func"() ({
^bb0(%x: tensor<?xi32>, %y: tensor<?xi32>):
  %q = "tensorc.floor_div"(%x, %y) : (tensor<?xi32>, tensor<?xi32>) -> tensor<?xi32>
  %r = "tensorc.mod"(%x, %y) : (tensor<?xi32>, tensor<?xi32>) -> tensor<?xi32>
  "func.return"(%q, %r) : (tensor<?xi32>, tensor<?xi32>) -> ()
}) {sym_name = "divide", function_type = (tensor<?xi32>, tensor<?xi32>) -> (tensor<?xi32>, tensor<?xi32>)} : () -> ()
// -----
// run: @shift([1, -1, 3, 3], [3, 40, 64, 200]) == [8, 0, 0, 0], [0, -1, 0, 0]
"func.func"() ({
^bb0(%x: tensor<4xi16>, %y: tensor<4xi16>):
  %l = "tensorc.left_shift"(%x, %y) : (tensor<4xi16>, tensor<4xi16>) -> tensor<4xi16>
  %r = "tensorc.right_shift"(%x, %y) : (tensor<4xi16>, tensor<4xi16>) -> tensor<4xi16>
  "func.return"(%l, %r) : (tensor<4xi16>, tensor<4xi16>) -> ()
}) {sym_name = "shift", function_type = (tensor<4xi16>, tensor<4xi16>) -> (tensor<4xi16>, tensor<4xi16>)} : () -> ()
// -----
// run: @wrap([200, 255, 0], [100, 1, 1]) == [44, 0, 1], [100, 254, 255]
"func.func"() ({
^bb0(%x: tensor<3xui8>, %y: tensor<3xui8>):
  %a = "tensorc.add"(%x, %y) : (tensor<3xui8>, tensor<3xui8>) -> tensor<3xui8>
  %s = "tensorc.sub"(%x, %y) : (tensor<3xui8>, tensor<3xui8>) -> tensor<3xui8>
  "func.return"(%a, %s) : (tensor<3xui8>, tensor<3xui8>) -> ()
}) {sym_name = "wrap", function_type = (tensor<3xui8>, tensor<3xui8>) -> (tensor<3xui8>, tensor<3xui8>)} : () -> ()
