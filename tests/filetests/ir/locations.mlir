// test: roundtrip locations
#loc = loc(unknown)
"builtin.module"() ({
  "func.func"() ({
  ^bb0(%x: f64 loc("x"("a.py":1:2)), %y: f64 loc(#loc)):
    %0:2 = "t.a"(%x, %y) : (f64, f64) -> (f64, f64) loc(#loc2)
    "t.b"(%0#1) : (f64) -> () loc("odd \22 file":3:4)
    "t.c"() : () -> () loc("only a name")
    "func.return"() : () -> () loc(#loc1)
  }) {sym_name = "f", function_type = (f64, f64) -> ()} : () -> () loc(unknown)
}) : () -> () loc(unknown)
#loc1 = loc("a.py":7:8)
#loc2 = loc(fused["vjp"(#loc1), #loc1, "b.py":1:1 to 2:5])
// ---- expect
"builtin.module"() ({
  "func.func"() ({
  ^bb0(%arg0: f64 loc("x"("a.py":1:2)), %arg1: f64 loc(unknown)):
    %0:2 = "t.a"(%arg0, %arg1) : (f64, f64) -> (f64, f64) loc(fused["vjp"("a.py":7:8), "a.py":7:8, "b.py":1:1])
    "t.b"(%0#1) : (f64) -> () loc("odd \22 file":3:4)
    "t.c"() : () -> () loc("only a name"(unknown))
    "func.return"() : () -> () loc("a.py":7:8)
  }) {function_type = (f64, f64) -> (), sym_name = "f"} : () -> () loc(unknown)
}) : () -> () loc(unknown)
