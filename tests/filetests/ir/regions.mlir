// test: roundtrip
// Numbering restarts in isolated ops; sibling regions reuse numbers.
"func.func"() ({
^bb0(%n: index, %c: i1, %m: memref<?xf64>):
  %zero = "arith.constant"() {value = 0 : index} : () -> index
  %one = "arith.constant"() {value = 1 : index} : () -> index
  %sum = "arith.constant"() {value = 0.0 : f64} : () -> f64
  %r = "scf.for"(%zero, %n, %one, %sum) ({
  ^body(%i: index, %acc: f64):
    %x = "memref.load"(%m, %i) : (memref<?xf64>, index) -> f64
    %y = "scf.if"(%c) ({
      %t = "arith.addf"(%acc, %x) : (f64, f64) -> f64
      "scf.yield"(%t) : (f64) -> ()
    }, {
      %e = "arith.mulf"(%acc, %x) : (f64, f64) -> f64
      "scf.yield"(%e) : (f64) -> ()
    }) : (i1) -> f64
    "scf.yield"(%y) : (f64) -> ()
  }) : (index, index, index, f64) -> f64
  "scf.if"(%c) ({
    "scf.yield"() : () -> ()
  }, {}) : (i1) -> ()
  "func.return"(%r) : (f64) -> ()
}) {sym_name = "f", function_type = (index, i1, memref<?xf64>) -> f64} : () -> ()
"func.func"() ({}) {sym_name = "sin", function_type = (f64) -> f64, sym_visibility = "private"} : () -> ()
// ---- expect
"builtin.module"() ({
  "func.func"() ({
  ^bb0(%arg0: index, %arg1: i1, %arg2: memref<?xf64>):
    %0 = "arith.constant"() {value = 0 : index} : () -> index
    %1 = "arith.constant"() {value = 1 : index} : () -> index
    %2 = "arith.constant"() {value = 0.0 : f64} : () -> f64
    %3 = "scf.for"(%0, %arg0, %1, %2) ({
    ^bb0(%arg3: index, %arg4: f64):
      %4 = "memref.load"(%arg2, %arg3) : (memref<?xf64>, index) -> f64
      %5 = "scf.if"(%arg1) ({
        %6 = "arith.addf"(%arg4, %4) : (f64, f64) -> f64
        "scf.yield"(%6) : (f64) -> ()
      }, {
        %6 = "arith.mulf"(%arg4, %4) : (f64, f64) -> f64
        "scf.yield"(%6) : (f64) -> ()
      }) : (i1) -> f64
      "scf.yield"(%5) : (f64) -> ()
    }) : (index, index, index, f64) -> f64
    "scf.if"(%arg1) ({
      "scf.yield"() : () -> ()
    }, {
    }) : (i1) -> ()
    "func.return"(%3) : (f64) -> ()
  }) {function_type = (index, i1, memref<?xf64>) -> f64, sym_name = "f"} : () -> ()
  "func.func"() ({
  }) {function_type = (f64) -> f64, sym_name = "sin", sym_visibility = "private"} : () -> ()
}) : () -> ()
// -----
// What mlir-opt prints: properties, aliases at the end.
"builtin.module"() ({
  "func.func"() <{function_type = (f64) -> f64, sym_name = "g"}> ({
  ^bb0(%arg0: f64):
    %0 = "arith.addf"(%arg0, %arg0) <{fastmath = #arith.fastmath<none>}> : (f64, f64) -> f64
    "func.return"(%0) : (f64) -> ()
  }) : () -> ()
}) : () -> ()
// ---- expect
"builtin.module"() ({
  "func.func"() ({
  ^bb0(%arg0: f64):
    %0 = "arith.addf"(%arg0, %arg0) : (f64, f64) -> f64
    "func.return"(%0) : (f64) -> ()
  }) {function_type = (f64) -> f64, sym_name = "g"} : () -> ()
}) : () -> ()
