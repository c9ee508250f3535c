// replay: python benchmarks/fuzz.py --replay tests/fuzz/regressions/unknown_extent_on_unit_axis.mlir
// A kernel result whose type has ? on an axis that is known to be 1 (bufferize failed).
// argument {"call": 0, "dtype": "float32", "shape": [3, 1, 5], "layout": "C", "bytes": "000000000000803f0000004000004040000080400000a0400000c0400000e04000000041000010410000204100003041000040410000504100006041", "shown": "[[[ 0. 1. 2. 3. 4.]] [[ 5. 6. 7. 8. 9.]] [[10. 11. 12. 13. 14.]]]"}
// argument {"call": 0, "dtype": "float32", "shape": [3, 1], "layout": "C", "bytes": "0000803f0000004000004040", "shown": "[[1.] [2.] [3.]]"}
// argument {"call": 1, "dtype": "float32", "shape": [3, 2, 5], "layout": "C", "bytes": "0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f", "shown": "[[[1. 1. 1. 1. 1.] [1. 1. 1. 1. 1.]] [[1. 1. 1. 1. 1.] [1. 1. 1. 1. 1.]] [[1. 1. 1. 1. 1.] [1. 1. 1. 1. 1.]]]"}
// argument {"call": 1, "dtype": "float32", "shape": [3, 1], "layout": "C", "bytes": "0000803f0000803f0000803f", "shown": "[[1.] [1.] [1.]]"}
"builtin.module"() ({
  "func.func"() ({
  ^bb0(%x: tensor<?x?x?xf32>, %c: tensor<3x1xf32>):
    %0 = "tensorc.max"(%x) {axes = array<i64: 2>} : (tensor<?x?x?xf32>) -> tensor<?x?xf32>
    %1 = "tensorc.dim"(%x) {axis = 0 : i64} : (tensor<?x?x?xf32>) -> index
    %2 = "tensorc.dim"(%x) {axis = 1 : i64} : (tensor<?x?x?xf32>) -> index
    %3 = "tensorc.dim"(%x) {axis = 2 : i64} : (tensor<?x?x?xf32>) -> index
    %4 = "tensorc.add"(%c, %0) : (tensor<3x1xf32>, tensor<?x?xf32>) -> tensor<3x1xf32>
    %5 = "tensorc.expand_dims"(%4) {axes = array<i64: 2>} : (tensor<3x1xf32>) -> tensor<3x1x1xf32>
    %6 = "tensorc.broadcast_to"(%5, %1, %2, %3) {shape = array<i64: -1, -1, -1>} : (tensor<3x1x1xf32>, index, index, index) -> tensor<?x?x?xf32>
    %7 = "tensorc.mul"(%6, %x) : (tensor<?x?x?xf32>, tensor<?x?x?xf32>) -> tensor<?x?x?xf32>
    "func.return"(%7) : (tensor<?x?x?xf32>) -> ()
  }) {function_type = (tensor<?x?x?xf32>, tensor<3x1xf32>) -> tensor<?x?x?xf32>, sym_name = "main"} : () -> ()
}) : () -> ()
