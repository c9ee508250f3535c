// test: verify
// Destination-passing: the op's outputs are its last operands.
"func.func"() ({
^bb0(%x: memref<?x3xf64>, %y: memref<?xf64>, %z: memref<?xf32>, %s: memref<?x3xf64, strided<[?, ?], offset: ?>>):
  "tensorc.exp"(%x, %s) : (memref<?x3xf64>, memref<?x3xf64, strided<[?, ?], offset: ?>>) -> ()
  "tensorc.add"(%x, %s, %x) : (memref<?x3xf64>, memref<?x3xf64, strided<[?, ?], offset: ?>>, memref<?x3xf64>) -> ()
  "tensorc.sum"(%x, %y) {axes = array<i64: 1>} : (memref<?x3xf64>, memref<?xf64>) -> ()
  "tensorc.sum"(%x, %z) {axes = array<i64: 1>} : (memref<?x3xf64>, memref<?xf32>) -> () // error: TC0125 inference says (tensor<?xf64>)
  "tensorc.exp"(%x, %y) : (memref<?x3xf64>, memref<?xf64>) -> () // error: TC0125
  "tensorc.exp"(%x) : (memref<?x3xf64>) -> () // error: TC0200 takes 1 operands
  "func.return"() : () -> ()
}) {sym_name = "f", function_type = (memref<?x3xf64>, memref<?xf64>, memref<?xf32>, memref<?x3xf64, strided<[?, ?], offset: ?>>) -> ()} : () -> ()
