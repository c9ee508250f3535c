; Where workers run: where the system likes. See threads_linux.ll.

define i64 @threads_place() {
  ret i64 -1
}

define void @threads_arrive(ptr %slot) {
  ret void
}

define void @threads_part(ptr %slot, i64 %home) {
  ret void
}

define i1 @threads_lend(ptr %slot) {
  ret i1 true
}
