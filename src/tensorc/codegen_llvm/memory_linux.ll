; Large blocks on Linux: mappings of their own that begin where huge pages do and ask for them. Filling fresh memory in
; small pages costs three times as much. See memory.ll.

declare ptr @mmap(ptr, i64, i32, i32, i32, i64)
declare i32 @munmap(ptr, i64)
declare i32 @madvise(ptr, i64, i32)

; %bytes are a multiple of 64 KiB, which every page size divides.
define ptr @memory_map(i64 %bytes) {
entry:
  %more = add i64 %bytes, 2097152
  %found = call ptr @mmap(ptr null, i64 %more, i32 3, i32 34, i32 -1, i64 0)
  %address = ptrtoint ptr %found to i64
  %failed = icmp eq i64 %address, -1
  br i1 %failed, label %none, label %some
some:
  %up = add i64 %address, 2097151
  %start.address = and i64 %up, -2097152
  %start = inttoptr i64 %start.address to ptr
  %head = sub i64 %start.address, %address
  %is.head = icmp ne i64 %head, 0
  br i1 %is.head, label %cut.head, label %rest
cut.head:
  call i32 @munmap(ptr %found, i64 %head)
  br label %rest
rest:
  %tail = sub i64 2097152, %head
  %end = getelementptr i8, ptr %start, i64 %bytes
  call i32 @munmap(ptr %end, i64 %tail)
  call i32 @madvise(ptr %start, i64 %bytes, i32 14)     ; MADV_HUGEPAGE; a kernel without them says no
  ret ptr %start
none:
  ret ptr null
}

define void @memory_unmap(ptr %start, i64 %bytes) {
  call i32 @munmap(ptr %start, i64 %bytes)
  ret void
}
