; Steps that bodies have in common, so that each is a call in the text of a body.
;
; What a body holds is in an array of its frame, so that one exit can free all of it: null where nothing is held.

declare ptr @tensorc_alloc(i64)
declare void @tensorc_free(ptr)
declare i64 @tensorc_poll(ptr, i64)
declare i32 @tensorc_parallel(ptr, ptr, ptr, i64, i64, i64)
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
