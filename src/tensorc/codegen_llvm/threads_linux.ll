; Where workers run, on Linux. Its scheduler likes to wake a worker on its waker's CPU, and leaves it there while other
; CPUs are busy: two threads of one loop on one CPU. And a worker that has lost its CPU in the middle of a chunk gets it
; back after milliseconds. Written with the abbreviations of entry.ll; see threads.ll.
;
; A worker that finds itself on its caller's CPU allows itself all CPUs but this one. A caller that has nothing to do but
; wait for a worker which makes no progress lends it its own CPU. Masks are of 1,024 CPUs; where the machine has more, or
; refuses, threads run where the scheduler likes.

declare i32 @sched_getcpu()
declare i32 @sched_getaffinity(i32, i64, ptr)
declare i32 @sched_setaffinity(i32, i64, ptr)
declare i32 @clock_gettime(i32, ptr)
declare i64 @PyThread_get_thread_native_id()
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)

; The CPU this thread runs on, or -1.
define i64 @threads_place() {
  %cpu = call i32 @sched_getcpu()
  %wide = sext i32 %cpu to i64
  ret i64 %wide
}

; What a worker notes when it begins: its number, and where it may run.
define void @threads_arrive(ptr %slot) {
  %thread = call i64 @PyThread_get_thread_native_id()
  put i64 %thread, %slot, SLOT_THREAD
  %allowed = getelementptr i8, ptr %slot, i64 $SLOT_ALLOWED
  call void @llvm.memset.p0.i64(ptr %allowed, i8 0, i64 128, i1 false)
  call i32 @sched_getaffinity(i32 0, i64 128, ptr %allowed)
  ret void
}

; Leave the caller's CPU, if the worker runs there, or was lent it.
define void @threads_part(ptr %slot, i64 %home) {
entry:
  %mask = alloca [16 x i64], align 8
  %lent.p = getelementptr i8, ptr %slot, i64 $SLOT_LENT
  %lent = load atomic i64, ptr %lent.p monotonic, align 8
  %cpu = call i64 @threads_place()
  %away = icmp ne i64 %cpu, %home
  %free = icmp eq i64 %lent, 0
  %fine = and i1 %away, %free
  %none = icmp ugt i64 %home, 1023
  %stay = or i1 %fine, %none
  br i1 %stay, label %done, label %copy
copy:
  store atomic i64 0, ptr %lent.p monotonic, align 8
  %word = lshr i64 %home, 6
  %place = and i64 %home, 63
  %bit = shl i64 1, %place
  %keep = xor i64 %bit, -1
  br label %next
next:
  %k = phi i64 [ 0, %copy ], [ %k.next, %next ]
  %any = phi i64 [ 0, %copy ], [ %any.next, %next ]
  %at = shl i64 %k, 3
  %allowed = getelementptr i8, ptr %slot, i64 $SLOT_ALLOWED
  %from = getelementptr i8, ptr %allowed, i64 %at
  %to = getelementptr i8, ptr %mask, i64 %at
  %bits = load i64, ptr %from
  %without = and i64 %bits, %keep
  %here = icmp eq i64 %k, %word
  %kept = select i1 %here, i64 %without, i64 %bits
  store i64 %kept, ptr %to
  %any.next = or i64 %any, %kept
  %k.next = add i64 %k, 1
  %more = icmp ult i64 %k.next, 16
  br i1 %more, label %next, label %set
set:
  %nowhere = icmp eq i64 %any.next, 0
  br i1 %nowhere, label %done, label %move
move:
  call i32 @sched_setaffinity(i32 0, i64 128, ptr %mask)
  br label %done
done:
  ret void
}

; Whether a worker in the middle of a chunk has had its CPU since it was last asked for. One that has not is lent the
; caller's, which is about to sleep.
define i1 @threads_lend(ptr %slot) {
entry:
  %mask = alloca [16 x i64], align 8
  %time = alloca [2 x i64]
  %thread = get i64, %slot, SLOT_THREAD
  %number = trunc i64 %thread to i32
  %inverse = xor i32 %number, -1
  %shifted = shl i32 %inverse, 3
  %clock = or i32 %shifted, 6                        ; the time a thread has computed
  %failed = call i32 @clock_gettime(i32 %clock, ptr %time)
  %unknown = icmp ne i32 %failed, 0
  br i1 %unknown, label %runs, label %compare
compare:
  %seconds = load i64, ptr %time
  %rest.p = getelementptr i8, ptr %time, i64 8
  %rest = load i64, ptr %rest.p
  %whole = mul i64 %seconds, 1000000000
  %used = add i64 %whole, %rest
  %before = get i64, %slot, SLOT_USED
  put i64 %used, %slot, SLOT_USED
  %same = icmp eq i64 %before, %used
  br i1 %same, label %lend, label %runs
lend:
  %cpu = call i64 @threads_place()
  %far = icmp ugt i64 %cpu, 1023
  br i1 %far, label %runs, label %set
set:
  call void @llvm.memset.p0.i64(ptr %mask, i8 0, i64 128, i1 false)
  %word = lshr i64 %cpu, 6
  %at = shl i64 %word, 3
  %place = and i64 %cpu, 63
  %bit = shl i64 1, %place
  %to = getelementptr i8, ptr %mask, i64 %at
  store i64 %bit, ptr %to
  %lent.p = getelementptr i8, ptr %slot, i64 $SLOT_LENT
  store atomic i64 1, ptr %lent.p monotonic, align 8
  call i32 @sched_setaffinity(i32 %number, i64 128, ptr %mask)
  ret i1 false
runs:
  ret i1 true
}
