// test: roundtrip
"func.func"() ({
  "t.integers"() {a = 1, b = -1 : i8, c = 255 : i8, d = 0xFF : ui8, e = true, f = 1 : i1, g = 5 : index, h = 18446744073709551615 : ui64} : () -> ()
  "t.floats"() {a = 1.0, b = -0.0, c = 1.5e-45 : f32, d = 0x7FC00000 : f32, e = 0x7FF0000000000000 : f64, f = 0.1 : f32, g = 1.0 : bf16, h = 65504.0 : f16, i = 1.e5} : () -> ()
  "t.text"() {a = "plain", b = "q\"b\\s\nn\te\C3\A9", "odd name" = unit, u, s = @f, t = @"odd symbol"} : () -> ()
  "t.nested"() {z = [], y = {}, x = [1, [2.0, "three"], {k = [unit]}], w = {b = 1, a} } : () -> ()
  "t.types"() {a = i1, b = ui16, c = tensor<?x4xf32>, d = tensor<f64>, e = memref<2x?xi8, strided<[?, 1], offset: ?>, 3>, f = (f32) -> (), g = () -> ((i1) -> i1), h = vector<4xf32>, i = complex<f64>, j = none, k = tensor<0x2xindex>} : () -> ()
  "t.arrays"() {a = array<i64>, b = array<i64: 1, -2>, c = array<i1: true, false>, d = array<f32: 0.1, 0x7F800000>} : () -> ()
  "t.dense"() {a = dense<1> : tensor<2x2xi64>, b = dense<[[1, 2], [3, 4]]> : tensor<2x2xi8>, c = dense<> : tensor<0x3xf64>, d = dense<2.5> : tensor<f64>, e = dense<[true, false]> : tensor<2xi1>, f = dense<"0x0000803F0000C07F"> : tensor<2xf32>, g = dense<[(1.0, 2.0), (0.0, -0.0)]> : tensor<2xcomplex<f32>>} : () -> ()
  "t.foreign"() {a = #gpu.address_space<workgroup>, b = #vector.kind<add>} : () -> ()
  "func.return"() : () -> ()
}) {sym_name = "f", function_type = () -> ()} : () -> ()
// ---- expect
"builtin.module"() ({
  "func.func"() ({
    "t.integers"() {a = 1 : i64, b = -1 : i8, c = -1 : i8, d = 255 : ui8, e = true, f = 1 : i1, g = 5 : index, h = 18446744073709551615 : ui64} : () -> ()
    "t.floats"() {a = 1.0 : f64, b = -0.0 : f64, c = 1.0e-45 : f32, d = 0x7FC00000 : f32, e = 0x7FF0000000000000 : f64, f = 0.1 : f32, g = 1.0 : bf16, h = 65504.0 : f16, i = 100000.0 : f64} : () -> ()
    "t.text"() {a = "plain", b = "q\22b\5Cs\0An\09e\C3\A9", "odd name", s = @f, t = @"odd symbol", u} : () -> ()
    "t.nested"() {w = {a, b = 1 : i64}, x = [1 : i64, [2.0 : f64, "three"], {k = [unit]}], y = {}, z = []} : () -> ()
    "t.types"() {a = i1, b = ui16, c = tensor<?x4xf32>, d = tensor<f64>, e = memref<2x?xi8, strided<[?, 1], offset: ?>, 3>, f = (f32) -> (), g = () -> ((i1) -> i1), h = vector<4xf32>, i = complex<f64>, j = none, k = tensor<0x2xindex>} : () -> ()
    "t.arrays"() {a = array<i64>, b = array<i64: 1, -2>, c = array<i1: true, false>, d = array<f32: 0.1, 0x7F800000>} : () -> ()
    "t.dense"() {a = dense<1> : tensor<2x2xi64>, b = dense<[[1, 2], [3, 4]]> : tensor<2x2xi8>, c = dense<> : tensor<0x3xf64>, d = dense<2.5> : tensor<f64>, e = dense<[true, false]> : tensor<2xi1>, f = dense<[1.0, 0x7FC00000]> : tensor<2xf32>, g = dense<[(1.0, 2.0), (0.0, -0.0)]> : tensor<2xcomplex<f32>>} : () -> ()
    "t.foreign"() {a = #gpu.address_space<workgroup>, b = #vector.kind<add>} : () -> ()
    "func.return"() : () -> ()
  }) {function_type = () -> (), sym_name = "f"} : () -> ()
}) : () -> ()
