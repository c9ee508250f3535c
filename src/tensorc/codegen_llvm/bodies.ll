; Steps that bodies have in common, so that each is a call in the text of a body.
;
; What a body holds is in an array of its frame, so that one exit can free all of it: null where nothing is held.

declare ptr @tensorc_alloc(i64)
declare void @tensorc_free(ptr)
declare i64 @tensorc_poll(ptr, i64)
declare i32 @tensorc_parallel(ptr, ptr, ptr, i64, i64, i64)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare i64 @llvm.umin.i64(i64, i64)
declare { i64, i1 } @llvm.umul.with.overflow.i64(i64, i64)

; A product of sizes, or 2**64 - 1 where it does not fit: an allocation that must fail instead of being too small.
define i64 @tensorc_times(i64 %a, i64 %b) {
  %pair = call { i64, i1 } @llvm.umul.with.overflow.i64(i64 %a, i64 %b)
  %product = extractvalue { i64, i1 } %pair, 0
  %beyond = extractvalue { i64, i1 } %pair, 1
  %size = select i1 %beyond, i64 -1, i64 %product
  ret i64 %size
}

; Memory that the body holds from now on; null if there is none.
define ptr @tensorc_hold(ptr %place, i64 %bytes) {
  %buffer = call ptr @tensorc_alloc(i64 %bytes)
  store ptr %buffer, ptr %place
  ret ptr %buffer
}

define void @tensorc_drop(ptr %place, ptr %buffer) {
  store ptr null, ptr %place
  tail call void @tensorc_free(ptr %buffer)
  ret void
}

define void @tensorc_drop_all(ptr %places, i64 %count) {
entry:
  br label %next
next:
  %n = phi i64 [ 0, %entry ], [ %following, %next ]
  %place = getelementptr ptr, ptr %places, i64 %n
  %buffer = load ptr, ptr %place
  call void @tensorc_free(ptr %buffer)
  %following = add i64 %n, 1
  %done = icmp eq i64 %following, %count
  br i1 %done, label %end, label %next
end:
  ret void
}

; Poll if there is much data. True: a handler raised.
define i1 @tensorc_look_up(ptr %record) {
  %size = load i64, ptr %record
  %much = icmp eq i64 %size, 1
  br i1 %much, label %poll, label %go
poll:
  %answer = call i64 @tensorc_poll(ptr %record, i64 1)
  %stop = icmp eq i64 %answer, 0
  ret i1 %stop
go:
  ret i1 false
}

; Run a loop: together with others if it is %least work or more.
define i32 @tensorc_loop(ptr %record, ptr %body, ptr %captures, i64 %lower, i64 %upper, i64 %weight, i64 %least) {
  %trips = sub i64 %upper, %lower
  %work = mul i64 %trips, %weight
  %much = icmp sge i64 %work, %least
  br i1 %much, label %many, label %few
many:
  %shared = tail call i32 @tensorc_parallel(ptr %record, ptr %body, ptr %captures, i64 %lower, i64 %upper, i64 %weight)
  ret i32 %shared
few:
  %own = tail call i32 %body(ptr %captures, i64 %lower, i64 %upper)
  ret i32 %own
}

; Copy bytes: together with others if there are %least or more. Returns what a loop does.
define i32 @tensorc_copy(ptr %record, ptr %target, ptr %source, i64 %bytes, i64 %least) {
  %much = icmp uge i64 %bytes, %least
  br i1 %much, label %long, label %short
short:
  call void @llvm.memcpy.p0.p0.i64(ptr %target, ptr %source, i64 %bytes, i1 false)
  ret i32 0
long:
  %captures = alloca [3 x i64]
  %source.p = getelementptr i8, ptr %captures, i64 8
  %bytes.p = getelementptr i8, ptr %captures, i64 16
  store ptr %target, ptr %captures
  store ptr %source, ptr %source.p
  store i64 %bytes, ptr %bytes.p
  %up = add i64 %bytes, 65535
  %parts = lshr i64 %up, 16
  %code = call i32 @tensorc_parallel(ptr %record, ptr @copy_parts, ptr %captures, i64 0, i64 %parts, i64 524288)
  ret i32 %code
}

; Some of the parts, of 64 KiB each: the body of a loop.
define internal i32 @copy_parts(ptr %captures, i64 %lower, i64 %upper) {
  %target = load ptr, ptr %captures
  %source.p = getelementptr i8, ptr %captures, i64 8
  %source = load ptr, ptr %source.p
  %bytes.p = getelementptr i8, ptr %captures, i64 16
  %bytes = load i64, ptr %bytes.p
  %from = shl i64 %lower, 16
  %past = shl i64 %upper, 16
  %to = call i64 @llvm.umin.i64(i64 %past, i64 %bytes)
  %length = sub i64 %to, %from
  %to.p = getelementptr i8, ptr %target, i64 %from
  %from.p = getelementptr i8, ptr %source, i64 %from
  call void @llvm.memcpy.p0.p0.i64(ptr %to.p, ptr %from.p, i64 %length, i1 false)
  ret i32 0
}
