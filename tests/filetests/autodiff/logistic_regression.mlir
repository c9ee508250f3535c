// test: pass=inline,canonicalize,stabilise,canonicalize,autodiff{wrt=2,3 only=true},canonicalize,stabilise,canonicalize
// The same, and its gradients: sigmoids of the logits and of their negation, nothing that overflows.
"func.func"() ({
^bb0(%X: tensor<?x784xf64>, %y: tensor<?xf64>, %w: tensor<784xf64>, %b: tensor<f64>):
  %one = "tensorc.constant"() {value = dense<1.0> : tensor<f64>} : () -> tensor<f64>
  %two = "tensorc.constant"() {value = dense<2.0> : tensor<f64>} : () -> tensor<f64>
  %rate = "tensorc.constant"() {value = dense<0.01> : tensor<f64>} : () -> tensor<f64>
  %n = "tensorc.dim"(%X) {axis = 0 : i64} : (tensor<?x784xf64>) -> index
  %w2 = "tensorc.expand_dims"(%w) {axes = array<i64: 1>} : (tensor<784xf64>) -> tensor<784x1xf64>
  %d0 = "tensorc.matmul"(%X, %w2) : (tensor<?x784xf64>, tensor<784x1xf64>) -> tensor<?x1xf64>
  %d = "tensorc.squeeze"(%d0) {axes = array<i64: 1>} : (tensor<?x1xf64>) -> tensor<?xf64>
  %nd = "tensorc.neg"(%d) : (tensor<?xf64>) -> tensor<?xf64>
  %bb = "tensorc.broadcast_to"(%b, %n) {shape = array<i64: -1>} : (tensor<f64>, index) -> tensor<?xf64>
  %z = "tensorc.sub"(%nd, %bb) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %e = "tensorc.exp"(%z) : (tensor<?xf64>) -> tensor<?xf64>
  %ones = "tensorc.broadcast_to"(%one, %n) {shape = array<i64: -1>} : (tensor<f64>, index) -> tensor<?xf64>
  %den = "tensorc.add"(%ones, %e) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %p = "tensorc.div"(%ones, %den) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %lp = "tensorc.log"(%p) : (tensor<?xf64>) -> tensor<?xf64>
  %ny = "tensorc.neg"(%y) : (tensor<?xf64>) -> tensor<?xf64>
  %a = "tensorc.mul"(%ny, %lp) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %q = "tensorc.sub"(%ones, %p) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %lq = "tensorc.log"(%q) : (tensor<?xf64>) -> tensor<?xf64>
  %iy = "tensorc.sub"(%ones, %y) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %c = "tensorc.mul"(%iy, %lq) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %xent = "tensorc.sub"(%a, %c) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
  %mean = "tensorc.mean"(%xent) {axes = array<i64: 0>} : (tensor<?xf64>) -> tensor<f64>
  %twos = "tensorc.broadcast_to"(%two) {shape = array<i64: 784>} : (tensor<f64>) -> tensor<784xf64>
  %ww = "tensorc.pow"(%w, %twos) : (tensor<784xf64>, tensor<784xf64>) -> tensor<784xf64>
  %norm = "tensorc.sum"(%ww) {axes = array<i64: 0>} : (tensor<784xf64>) -> tensor<f64>
  %penalty = "tensorc.mul"(%rate, %norm) : (tensor<f64>, tensor<f64>) -> tensor<f64>
  %cost = "tensorc.add"(%mean, %penalty) : (tensor<f64>, tensor<f64>) -> tensor<f64>
  "func.return"(%cost) : (tensor<f64>) -> ()
}) {sym_name = "f", function_type = (tensor<?x784xf64>, tensor<?xf64>, tensor<784xf64>, tensor<f64>) -> tensor<f64>} : () -> ()
// ---- expect
"builtin.module"() ({
  "func.func"() ({
  ^bb0(%arg0: tensor<?x784xf64>, %arg1: tensor<?xf64>, %arg2: tensor<784xf64>, %arg3: tensor<f64>):
    %0 = "tensorc.constant"() {value = dense<1.0> : tensor<f64>} : () -> tensor<f64>
    %1 = "tensorc.dim"(%arg0) {axis = 0 : i64} : (tensor<?x784xf64>) -> index
    %2 = "tensorc.expand_dims"(%arg2) {axes = array<i64: 1>} : (tensor<784xf64>) -> tensor<784x1xf64>
    %3 = "tensorc.matmul"(%arg0, %2) : (tensor<?x784xf64>, tensor<784x1xf64>) -> tensor<?x1xf64>
    %4 = "tensorc.squeeze"(%3) {axes = array<i64: 1>} : (tensor<?x1xf64>) -> tensor<?xf64>
    %5 = "tensorc.broadcast_to"(%arg3, %1) {shape = array<i64: -1>} : (tensor<f64>, index) -> tensor<?xf64>
    %6 = "tensorc.broadcast_to"(%0, %1) {shape = array<i64: -1>} : (tensor<f64>, index) -> tensor<?xf64>
    %7 = "tensorc.add"(%4, %5) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
    %8 = "tensorc.neg"(%7) : (tensor<?xf64>) -> tensor<?xf64>
    %9 = "tensorc.sub"(%6, %arg1) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
    %10 = "tensorc.constant"() {value = dense<0.01> : tensor<f64>} : () -> tensor<f64>
    %11 = "tensorc.broadcast_to"(%10) {shape = array<i64: 784>} : (tensor<f64>) -> tensor<784xf64>
    %12 = "tensorc.constant"() {value = dense<2.0> : tensor<f64>} : () -> tensor<f64>
    %13 = "tensorc.broadcast_to"(%12) {shape = array<i64: 784>} : (tensor<f64>) -> tensor<784xf64>
    %14 = "tensorc.mul"(%arg2, %13) : (tensor<784xf64>, tensor<784xf64>) -> tensor<784xf64>
    %15 = "tensorc.mul"(%14, %11) : (tensor<784xf64>, tensor<784xf64>) -> tensor<784xf64>
    %16 = "tensorc.dim"(%arg1) {axis = 0 : i64} : (tensor<?xf64>) -> index
    %17 = "tensorc.from_index"(%16) : (index) -> tensor<i64>
    %18 = "tensorc.cast"(%17) {to = f64} : (tensor<i64>) -> tensor<f64>
    %19 = "tensorc.div"(%0, %18) : (tensor<f64>, tensor<f64>) -> tensor<f64>
    %20 = "tensorc.broadcast_to"(%19, %16) {shape = array<i64: -1>} : (tensor<f64>, index) -> tensor<?xf64>
    %21 = "tensorc.chain_mul"(%20, %9) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
    %22 = "tensorc.sigmoid"(%7) : (tensor<?xf64>) -> tensor<?xf64>
    %23 = "tensorc.mul"(%21, %22) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
    %24 = "tensorc.chain_mul"(%20, %arg1) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
    %25 = "tensorc.sigmoid"(%8) : (tensor<?xf64>) -> tensor<?xf64>
    %26 = "tensorc.mul"(%24, %25) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
    %27 = "tensorc.sub"(%23, %26) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
    %28 = "tensorc.sum_to"(%27) {shape = array<i64>} : (tensor<?xf64>) -> tensor<f64>
    %29 = "tensorc.expand_dims"(%27) {axes = array<i64: 1>} : (tensor<?xf64>) -> tensor<?x1xf64>
    %30 = "tensorc.transpose"(%arg0) {perm = array<i64: 1, 0>} : (tensor<?x784xf64>) -> tensor<784x?xf64>
    %31 = "tensorc.matmul"(%30, %29) : (tensor<784x?xf64>, tensor<?x1xf64>) -> tensor<784x1xf64>
    %32 = "tensorc.squeeze"(%31) {axes = array<i64: 1>} : (tensor<784x1xf64>) -> tensor<784xf64>
    %33 = "tensorc.add"(%15, %32) : (tensor<784xf64>, tensor<784xf64>) -> tensor<784xf64>
    "func.return"(%33, %28) : (tensor<784xf64>, tensor<f64>) -> ()
  }) {function_type = (tensor<?x784xf64>, tensor<?xf64>, tensor<784xf64>, tensor<f64>) -> (tensor<784xf64>, tensor<f64>), sym_name = "f"} : () -> ()
}) : () -> ()
