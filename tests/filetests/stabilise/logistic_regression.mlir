// test: pass=canonicalize,stabilise,canonicalize
// The logistic regression of Theano's tutorial, written naively: p = 1/(1 + exp(-(X w) - b)),
// xent = -y log(p) - (1 - y) log(1 - p), cost = mean(xent) + 0.01 sum(w**2).
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
  "func.return"(%cost, %p) : (tensor<f64>, tensor<?xf64>) -> ()
}) {sym_name = "f", function_type = (tensor<?x784xf64>, tensor<?xf64>, tensor<784xf64>, tensor<f64>) -> (tensor<f64>, tensor<?xf64>)} : () -> ()
// ---- expect
"builtin.module"() ({
  "func.func"() ({
  ^bb0(%arg0: tensor<?x784xf64>, %arg1: tensor<?xf64>, %arg2: tensor<784xf64>, %arg3: tensor<f64>):
    %0 = "tensorc.constant"() {value = dense<1.0> : tensor<f64>} : () -> tensor<f64>
    %1 = "tensorc.constant"() {value = dense<0.01> : tensor<f64>} : () -> tensor<f64>
    %2 = "tensorc.dim"(%arg0) {axis = 0 : i64} : (tensor<?x784xf64>) -> index
    %3 = "tensorc.expand_dims"(%arg2) {axes = array<i64: 1>} : (tensor<784xf64>) -> tensor<784x1xf64>
    %4 = "tensorc.matmul"(%arg0, %3) : (tensor<?x784xf64>, tensor<784x1xf64>) -> tensor<?x1xf64>
    %5 = "tensorc.squeeze"(%4) {axes = array<i64: 1>} : (tensor<?x1xf64>) -> tensor<?xf64>
    %6 = "tensorc.broadcast_to"(%arg3, %2) {shape = array<i64: -1>} : (tensor<f64>, index) -> tensor<?xf64>
    %7 = "tensorc.broadcast_to"(%0, %2) {shape = array<i64: -1>} : (tensor<f64>, index) -> tensor<?xf64>
    %8 = "tensorc.add"(%5, %6) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
    %9 = "tensorc.sigmoid"(%8) : (tensor<?xf64>) -> tensor<?xf64>
    %10 = "tensorc.neg"(%8) : (tensor<?xf64>) -> tensor<?xf64>
    %11 = "tensorc.softplus"(%10) : (tensor<?xf64>) -> tensor<?xf64>
    %12 = "tensorc.mul"(%arg1, %11) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
    %13 = "tensorc.softplus"(%8) : (tensor<?xf64>) -> tensor<?xf64>
    %14 = "tensorc.sub"(%7, %arg1) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
    %15 = "tensorc.mul"(%14, %13) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
    %16 = "tensorc.add"(%12, %15) : (tensor<?xf64>, tensor<?xf64>) -> tensor<?xf64>
    %17 = "tensorc.mean"(%16) {axes = array<i64: 0>} : (tensor<?xf64>) -> tensor<f64>
    %18 = "tensorc.square"(%arg2) : (tensor<784xf64>) -> tensor<784xf64>
    %19 = "tensorc.sum"(%18) {axes = array<i64: 0>} : (tensor<784xf64>) -> tensor<f64>
    %20 = "tensorc.mul"(%19, %1) : (tensor<f64>, tensor<f64>) -> tensor<f64>
    %21 = "tensorc.add"(%17, %20) : (tensor<f64>, tensor<f64>) -> tensor<f64>
    "func.return"(%21, %9) : (tensor<f64>, tensor<?xf64>) -> ()
  }) {function_type = (tensor<?x784xf64>, tensor<?xf64>, tensor<784xf64>, tensor<f64>) -> (tensor<f64>, tensor<?xf64>), sym_name = "f"} : () -> ()
}) : () -> ()
