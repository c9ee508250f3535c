; Large blocks where there is no mapping of huge pages on demand: malloc gives them, see memory.ll.

declare ptr @malloc(i64)
declare void @free(ptr)

define ptr @memory_map(i64 %bytes) {
  %start = call ptr @malloc(i64 %bytes)
  ret ptr %start
}

define void @memory_unmap(ptr %start, i64 %bytes) {
  call void @free(ptr %start)
  ret void
}
