; The native entry: bodies for short axes. See entry.ll, and api/short_axes.py.
;
; A function may have siblings: the same program for inputs some of whose axes have a known, small extent. They are tried
; first, each is a context of its own. What none takes goes on to the function's own bodies; after 4, 8, 16, ... calls
; that these have answered, Python is asked whether a sibling would pay. It is asked before anything has begun, so that
; what it raises (an answer to Ctrl-C) ends a call that has done nothing.

declare void @Py_DecRef(ptr)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare i64 @llvm.ctpop.i64(i64)

; In entry.ll and entry_bind.ll.
declare i32 @entry_attempt(ptr, ptr, ptr, i1, ptr)
declare ptr @entry_bind(ptr, ptr, ptr, i64, ptr)

; True: the call is answered, in %result, or null with an exception set.
define i1 @entry_sibling(ptr %ctx, ptr %args, i64 %given, ptr %kwnames, ptr %result) {
entry:
  %first = get ptr, %ctx, SIBLING
  %answered = call i1 @try_all(ptr %first, ptr %args, i64 %given, ptr %kwnames, ptr %result)
  br i1 %answered, label %yes, label %asking
asking:
  %watch = get ptr, %ctx, WATCH
  %watched = icmp ne ptr %watch, null
  br i1 %watched, label %count, label %no
count:
  %calls = get i64, %ctx, COUNT_FAST
  %last = get i64, %ctx, WATCHED
  %news = icmp ne i64 %calls, %last
  %some = icmp ugt i64 %calls, 3
  %bits = call i64 @llvm.ctpop.i64(i64 %calls)
  %round = icmp eq i64 %bits, 1
  %due = and i1 %news, %some
  %now = and i1 %due, %round
  br i1 %now, label %ask, label %no
ask:
  put i64 %calls, %ctx, WATCHED
  %said = call ptr @PyObject_Vectorcall(ptr %watch, ptr %args, i64 %given, ptr %kwnames)
  %raised = icmp eq ptr %said, null
  br i1 %raised, label %fail, label %again
again:
  call void @Py_DecRef(ptr %said)
  %newest = get ptr, %ctx, SIBLING
  %other = icmp ne ptr %newest, %first
  br i1 %other, label %retry, label %no
retry:
  %at.last = call i1 @try_all(ptr %newest, ptr %args, i64 %given, ptr %kwnames, ptr %result)
  ret i1 %at.last
fail:
  store ptr null, ptr %result
  br label %yes
yes:
  ret i1 true
no:
  ret i1 false
}

define internal i1 @try_all(ptr %first, ptr %args, i64 %given, ptr %kwnames, ptr %result) {
entry:
  br label %next
next:
  %ctx = phi ptr [ %first, %entry ], [ %following, %other ]
  %exists = icmp ne ptr %ctx, null
  br i1 %exists, label %try, label %no
try:
  %answered = call i1 @try_one(ptr %ctx, ptr %args, i64 %given, ptr %kwnames, ptr %result)
  br i1 %answered, label %yes, label %other
other:
  %following = get ptr, %ctx, SIBLING
  br label %next
yes:
  ret i1 true
no:
  ret i1 false
}

define internal i1 @try_one(ptr %ctx, ptr %given.args, i64 %given, ptr %kwnames, ptr %result) {
entry:
  %bytes = get i64, %ctx, FRAME_BYTES
  %small = icmp ule i64 %bytes, $STACK_FRAME_LIMIT
  br i1 %small, label %prepare, label %no
prepare:
  %frame = alloca i8, i64 %bytes, align 16
  put ptr null, %frame, FRAME_OUTS
  %wanted = get i64, %ctx, N_INPUTS
  %count.ok = icmp eq i64 %given, %wanted
  %plain = icmp eq ptr %kwnames, null
  %positional = and i1 %count.ok, %plain
  br i1 %positional, label %try, label %bind
bind:
  %bound = call ptr @entry_bind(ptr %ctx, ptr %frame, ptr %given.args, i64 %given, ptr %kwnames)
  %unbound = icmp eq ptr %bound, null
  br i1 %unbound, label %no, label %try
try:
  %args = phi ptr [ %given.args, %prepare ], [ %bound, %bind ], [ %args, %try ]
  %code = call i32 @entry_attempt(ptr %ctx, ptr %frame, ptr %args, i1 false, ptr %result)
  switch i32 %code, label %yes [ i32 1, label %no i32 2, label %no i32 3, label %try ]
yes:
  ret i1 true
no:
  ret i1 false
}
