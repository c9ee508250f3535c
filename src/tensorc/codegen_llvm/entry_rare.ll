; The rest of the native entry: what a call of a function without cells, returning one array, does not run. See
; entry.ll. A call's object references lie in one area of its frame: cells, then outputs.

@_Py_NoneStruct = external global i8
@tensorc_ndarray_type = external global i8
@tensorc_memory_handler = external global ptr
@PyExc_SystemError = external global ptr
@PyExc_TypeError = external global ptr

declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyErr_NoMemory()
declare ptr @PyErr_Format(ptr, ptr, ...)
declare ptr @PyObject_CallNoArgs(ptr)
declare ptr @PyObject_CallFunction(ptr, ptr, ...)
declare ptr @PyObject_CallFunctionObjArgs(ptr, ...)
declare ptr @PyTuple_New(i64)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare ptr @entry_build(ptr, ptr)
declare ptr @PyList_New(i64)
declare ptr @PyDict_New()
declare i32 @PyDict_SetItem(ptr, ptr, ptr)
declare i64 @PyList_Size(ptr)
declare ptr @PyList_GetItem(ptr, i64)
declare i32 @PyList_SetItem(ptr, i64, ptr)
declare ptr @PyCapsule_GetContext(ptr)
declare i32 @PyErr_CheckSignals()
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare i64 @PyThread_get_thread_ident()
declare i32 @PyThread_acquire_lock_timed(ptr, i64, i32)
declare void @PyThread_release_lock(ptr)
declare ptr @tensorc_np_NewFromDescr(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)
declare i32 @PyTraceMalloc_Track(i32, i64, i64)
declare i64 @llvm.umax.i64(i64, i64)
declare i64 @llvm.umin.i64(i64, i64)
declare i32 @$CLOCK(ptr, i32)

; In memory.ll.
declare ptr @tensorc_alloc(i64)
declare void @tensorc_free(ptr)

; In entry.ll.
declare i32 @entry_attempt(ptr, ptr, ptr, i1, ptr)
declare i64 @entry_describe(ptr, ptr, ptr, ptr, i64)

text @text.code = "%s: the compiled body returned the unexpected code %d"
text @text.silent = "%s: the error callback returned without raising"
text @text.error = "LLLL"
text @text.empty = "a shared variable holds no array, which is not its native form"

; --------------------------------------------------------------------------------------------------- cells

; Take a strong reference to what every cell holds now. False: somebody has emptied one, and nothing was taken.
define internal i1 @snapshot(ptr %cells, i64 %n, ptr %refs) {
entry:
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %full ]
  %more = icmp ult i64 %k, %n
  br i1 %more, label %one, label %done
one:
  %cell.p = getelementptr ptr, ptr %cells, i64 %k
  %cell = load ptr, ptr %cell.p
  %length = call i64 @PyList_Size(ptr %cell)
  %holds = icmp eq i64 %length, 1
  br i1 %holds, label %full, label %empty
full:
  %array = call ptr @PyList_GetItem(ptr %cell, i64 0)
  call void @Py_IncRef(ptr %array)
  %ref = getelementptr ptr, ptr %refs, i64 %k
  store ptr %array, ptr %ref
  %k.next = add i64 %k, 1
  br label %next
empty:
  call void @entry_drop(ptr %refs, i64 %k)
  ret i1 false
done:
  ret i1 true
}

; The arrays in the cells, all of the same moment. Returns their form as @native_form does; or -1 if one is not native, and
; has dropped what it took.
define i64 @entry_bind_cells(ptr %ctx, ptr %frame, ptr %pointers, ptr %refs) {
entry:
  %n = get i64, %ctx, N_CELLS
  %cells = get ptr, %ctx, CELLS
  %held = call i1 @snapshot(ptr %cells, i64 %n, ptr %refs)
  br i1 %held, label %describe, label %empty
describe:
  %first = get i64, %ctx, N_INPUTS
  %specs.all = get ptr, %ctx, INPUT_SPECS
  %skip = mul i64 %first, $SPEC_BYTES
  %specs = getelementptr i8, ptr %specs.all, i64 %skip
  %slots = getelementptr ptr, ptr %pointers, i64 %first
  %form = call i64 @entry_describe(ptr %specs, ptr %frame, ptr %slots, ptr %refs, i64 %n)
  %native = icmp sge i64 %form, 0
  br i1 %native, label %described, label %foreign
described:
  ret i64 %form
foreign:
  call void @entry_drop(ptr %refs, i64 %n)
  ret i64 -1
empty:
  ret i64 -1
}

define void @entry_bind_constants(ptr %ctx, ptr %pointers) {
entry:
  %n = get i64, %ctx, N_CONSTANTS
  %end = get i64, %ctx, N_ARGUMENTS
  %first = sub i64 %end, %n
  %descs = get ptr, %ctx, CONSTANTS
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %one ]
  %more = icmp ult i64 %k, %n
  br i1 %more, label %one, label %done
one:
  %desc.p = getelementptr ptr, ptr %descs, i64 %k
  %desc = load ptr, ptr %desc.p
  %index = add i64 %first, %k
  %slot = getelementptr ptr, ptr %pointers, i64 %index
  store ptr %desc, ptr %slot
  %k.next = add i64 %k, 1
  br label %next
done:
  ret void
}

; Wait, without the GIL, until no call of another thread has this cell. -1: a signal handler raised.
;
; The box of a cell: the thread whose call has it (0: none), how many wait, the gate they wait at. Boxes are read and
; written with the GIL held, so they need no lock. A thread that passes the gate has no claim: it looks again. Every call
; that gives a cell back opens the gate for one, and so does everyone who leaves it; the time limit is for a thread that a
; signal took away on its way.
define i32 @tensorc_wait(ptr %box) {
entry:
  %me = call i64 @PyThread_get_thread_ident()
  %first = get i64, %box, BOX_WAITERS
  %joined = add i64 %first, 1
  put i64 %joined, %box, BOX_WAITERS
  br label %look
look:
  %owner = get i64, %box, BOX_OWNER
  %free = icmp eq i64 %owner, 0
  %own = icmp eq i64 %owner, %me
  %pass = or i1 %free, %own
  br i1 %pass, label %leave, label %wait
wait:
  %gate = get ptr, %box, BOX_GATE
  %thread = call ptr @PyEval_SaveThread()
  call i32 @PyThread_acquire_lock_timed(ptr %gate, i64 5000, i32 1)
  call void @PyEval_RestoreThread(ptr %thread)
  %handled = call i32 @PyErr_CheckSignals()     ; the signal itself may have come to another thread
  %quiet = icmp eq i32 %handled, 0
  br i1 %quiet, label %look, label %leave
leave:
  %answer = phi i32 [ 0, %look ], [ -1, %wait ]
  %waiting = get i64, %box, BOX_WAITERS
  %some = call i64 @llvm.umax.i64(i64 %waiting, i64 1)       ; a fork forgets who waits
  %rest = sub i64 %some, 1
  put i64 %rest, %box, BOX_WAITERS
  call void @open_gate(ptr %box)
  ret i32 %answer
}

define internal void @open_gate(ptr %box) {
entry:
  %waiting = get i64, %box, BOX_WAITERS
  %nobody = icmp eq i64 %waiting, 0
  br i1 %nobody, label %done, label %open
open:
  %gate = get ptr, %box, BOX_GATE
  call void @PyThread_release_lock(ptr %gate)
  br label %done
done:
  ret void
}

; Let those who wait for a cell go first: a fraction of a millisecond without the GIL.
define internal void @step_back(ptr %ctx) {
  %nobody = get ptr, %ctx, CLOSED_GATE
  %thread = call ptr @PyEval_SaveThread()
  call i32 @PyThread_acquire_lock_timed(ptr %nobody, i64 200, i32 0)
  call void @PyEval_RestoreThread(ptr %thread)
  ret void
}

; Have all cells of a function with updates for this call: all or none, so that no two calls wait for each other. The frame
; notes whether it has. A call made while this thread has one of the cells already (from a signal handler) goes ahead
; without. What a call has is no promise: see @commit. False: a signal handler raised while waiting.
define i1 @entry_enter(ptr %ctx, ptr %frame) {
entry:
  put i64 0, %frame, FRAME_HAS_CELLS
  %n = get i64, %ctx, N_BOXES
  %boxes = get ptr, %ctx, BOXES
  %me = call i64 @PyThread_get_thread_ident()
  br label %try
try:
  %polite = phi i1 [ true, %entry ], [ false, %waited ], [ false, %back ]
  br label %next
next:
  %k = phi i64 [ 0, %try ], [ %k.next, %free ]
  %more = icmp ult i64 %k, %n
  br i1 %more, label %one, label %all
one:
  %box.p = getelementptr ptr, ptr %boxes, i64 %k
  %box = load ptr, ptr %box.p
  %owner = get i64, %box, BOX_OWNER
  %own = icmp eq i64 %owner, %me
  br i1 %own, label %without, label %others
others:
  %busy = icmp ne i64 %owner, 0
  br i1 %busy, label %wait, label %queue
wait:
  %status = call i32 @tensorc_wait(ptr %box)
  %ok = icmp eq i32 %status, 0
  br i1 %ok, label %waited, label %raised
waited:
  br label %try
queue:
  %waiting = get i64, %box, BOX_WAITERS
  %some = icmp ne i64 %waiting, 0
  %yield = and i1 %some, %polite
  br i1 %yield, label %back, label %free
back:
  call void @step_back(ptr %ctx)
  br label %try
free:
  %k.next = add i64 %k, 1
  br label %next
all:
  put i64 1, %frame, FRAME_HAS_CELLS
  br label %take
take:
  %j = phi i64 [ 0, %all ], [ %j.next, %taken ]
  %left = icmp ult i64 %j, %n
  br i1 %left, label %taken, label %without
taken:
  %taken.p = getelementptr ptr, ptr %boxes, i64 %j
  %taken.box = load ptr, ptr %taken.p
  put i64 %me, %taken.box, BOX_OWNER
  %j.next = add i64 %j, 1
  br label %take
without:
  ret i1 true
raised:
  ret i1 false
}

; Give back what a call has when it ends: the cells, then the first %bound references to what they held, because dropping
; an array can run Python code.
define void @entry_leave(ptr %ctx, ptr %frame, i64 %bound) {
entry:
  %refs.at = get i64, %ctx, REFS_AT
  %refs = getelementptr i8, ptr %frame, i64 %refs.at
  %has = get i64, %frame, FRAME_HAS_CELLS
  %none = icmp eq i64 %has, 0
  br i1 %none, label %done, label %some
some:
  %n = get i64, %ctx, N_BOXES
  %boxes = get ptr, %ctx, BOXES
  br label %next
next:
  %k = phi i64 [ 0, %some ], [ %k.next, %one ]
  %more = icmp ult i64 %k, %n
  br i1 %more, label %one, label %done
one:
  %box.p = getelementptr ptr, ptr %boxes, i64 %k
  %box = load ptr, ptr %box.p
  put i64 0, %box, BOX_OWNER
  call void @open_gate(ptr %box)
  %k.next = add i64 %k, 1
  br label %next
done:
  call void @entry_drop(ptr %refs, i64 %bound)
  ret void
}

; Put all new values into their cells if every cell still holds what was read, in one go with the GIL held. 1: done; 2:
; somebody has written meanwhile, nothing is changed; 0: an exception is set, since somebody has emptied a cell. %reads
; has references to what the cells held, so nothing is dropped here.
define i32 @tensorc_commit(ptr %cells, i64 %n, ptr %reads, ptr %pairs, i64 %updates, ptr %outs) {
entry:
  br label %check
check:
  %k = phi i64 [ 0, %entry ], [ %k.next, %same ]
  %unchecked = icmp ult i64 %k, %n
  br i1 %unchecked, label %look, label %next
look:
  %seen.p = getelementptr ptr, ptr %cells, i64 %k
  %seen = load ptr, ptr %seen.p
  %now = call ptr @PyList_GetItem(ptr %seen, i64 0)
  %read.p = getelementptr ptr, ptr %reads, i64 %k
  %read = load ptr, ptr %read.p
  %unchanged = icmp eq ptr %now, %read
  br i1 %unchanged, label %same, label %other
same:
  %k.next = add i64 %k, 1
  br label %check
other:
  %emptied = icmp eq ptr %now, null
  %code = select i1 %emptied, i32 0, i32 2
  ret i32 %code
next:
  %j = phi i64 [ 0, %check ], [ %j.next, %one ]
  %more = icmp ult i64 %j, %updates
  br i1 %more, label %one, label %done
one:
  %first = mul i64 %j, 2
  %cell.index.p = getelementptr i64, ptr %pairs, i64 %first
  %cell.index = load i64, ptr %cell.index.p
  %out.index.p = getelementptr i64, ptr %cell.index.p, i64 1
  %out.index = load i64, ptr %out.index.p
  %cell.p = getelementptr ptr, ptr %cells, i64 %cell.index
  %cell = load ptr, ptr %cell.p
  %out.p = getelementptr ptr, ptr %outs, i64 %out.index
  %value = load ptr, ptr %out.p
  call void @Py_IncRef(ptr %value)
  call i32 @PyList_SetItem(ptr %cell, i64 0, ptr %value)
  %j.next = add i64 %j, 1
  br label %next
done:
  ret i32 1
}

; @tensorc_commit for a call of the native entry, whose hold on the cells ends. Unless it answers 1, the outputs are
; dropped.
define i32 @entry_commit(ptr %ctx, ptr %frame, ptr %outs) {
entry:
  %refs.at = get i64, %ctx, REFS_AT
  %refs = getelementptr i8, ptr %frame, i64 %refs.at
  %n.cells = get i64, %ctx, N_CELLS
  %n.outputs = get i64, %ctx, N_OUTPUTS
  %n.results = get i64, %ctx, N_RESULTS
  %n.updates = get i64, %ctx, N_UPDATES
  %reader = icmp eq i64 %n.updates, 0
  br i1 %reader, label %leave, label %write
write:
  %cells = get ptr, %ctx, CELLS
  %pairs = get ptr, %ctx, UPDATES
  %code = call i32 @tensorc_commit(ptr %cells, i64 %n.cells, ptr %refs, ptr %pairs, i64 %n.updates, ptr %outs)
  br label %leave
leave:
  %answer = phi i32 [ 1, %entry ], [ %code, %write ]
  call void @entry_leave(ptr %ctx, ptr %frame, i64 %n.cells)
  %done = icmp eq i32 %answer, 1
  %kept = select i1 %done, i64 %n.results, i64 0
  %rest = getelementptr ptr, ptr %outs, i64 %kept
  %n.rest = sub i64 %n.outputs, %kept
  call void @entry_drop(ptr %rest, i64 %n.rest)
  ret i32 %answer
}

; For the Python entry: a tuple of what the cells hold, all of the same moment; null with an exception set.
define ptr @tensorc_snapshot(ptr %cells, i64 %n) {
entry:
  %block = alloca ptr, i64 %n
  %pack = call ptr @PyTuple_New(i64 %n)
  %no.pack = icmp eq ptr %pack, null
  br i1 %no.pack, label %fail, label %read
read:
  %held = call i1 @snapshot(ptr %cells, i64 %n, ptr %block)
  br i1 %held, label %next, label %empty
next:
  %k = phi i64 [ 0, %read ], [ %k.next, %put ]
  %more = icmp ult i64 %k, %n
  br i1 %more, label %put, label %done
put:
  %array.p = getelementptr ptr, ptr %block, i64 %k
  %array = load ptr, ptr %array.p
  call i32 @PyTuple_SetItem(ptr %pack, i64 %k, ptr %array)
  %k.next = add i64 %k, 1
  br label %next
done:
  ret ptr %pack
empty:
  call void @Py_DecRef(ptr %pack)
  %type.error = load ptr, ptr @PyExc_TypeError
  call ptr (ptr, ptr, ...) @PyErr_Format(ptr %type.error, ptr @text.empty)
  ret ptr null
fail:
  ret ptr null
}

; -------------------------------------------------------------------------------------- results and errors

; None, one array, or a new tuple or list of arrays; then the function's own wrapper, if any. Takes over the references.
define ptr @entry_collect(ptr %ctx, ptr %outs) {
entry:
  %form = get i64, %ctx, RESULT_FORM
  switch i64 %form, label %none [ i64 1, label %one i64 2, label %tuple i64 3, label %list i64 5, label %dict i64 $RESULT_TREE, label %tree ]
none:
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  br label %wrap
one:
  %single = load ptr, ptr %outs
  store ptr null, ptr %outs
  br label %wrap
tuple:
  %n = get i64, %ctx, N_RESULTS
  %pack = call ptr @PyTuple_New(i64 %n)
  %no.pack = icmp eq ptr %pack, null
  br i1 %no.pack, label %fail, label %next
next:
  %k = phi i64 [ 0, %tuple ], [ %k.next, %put ]
  %more = icmp ult i64 %k, %n
  br i1 %more, label %put, label %wrap
put:
  %out.p = getelementptr ptr, ptr %outs, i64 %k
  %out = load ptr, ptr %out.p
  store ptr null, ptr %out.p
  call i32 @PyTuple_SetItem(ptr %pack, i64 %k, ptr %out)
  %k.next = add i64 %k, 1
  br label %next
list:
  %n.list = get i64, %ctx, N_RESULTS
  %row = call ptr @PyList_New(i64 %n.list)
  %no.row = icmp eq ptr %row, null
  br i1 %no.row, label %fail, label %next.list
next.list:
  %j = phi i64 [ 0, %list ], [ %j.next, %put.list ]
  %more.list = icmp ult i64 %j, %n.list
  br i1 %more.list, label %put.list, label %wrap
put.list:
  %item.p = getelementptr ptr, ptr %outs, i64 %j
  %item = load ptr, ptr %item.p
  store ptr null, ptr %item.p
  call i32 @PyList_SetItem(ptr %row, i64 %j, ptr %item)
  %j.next = add i64 %j, 1
  br label %next.list
dict:
  %n.dict = get i64, %ctx, N_RESULTS
  %keys = get ptr, %ctx, KEYS
  %map = call ptr @PyDict_New()
  %no.map = icmp eq ptr %map, null
  br i1 %no.map, label %fail, label %next.dict
next.dict:
  %d = phi i64 [ 0, %dict ], [ %d.next, %put.dict ]
  %more.dict = icmp ult i64 %d, %n.dict
  br i1 %more.dict, label %set.dict, label %wrap
set.dict:
  %key.p = getelementptr ptr, ptr %keys, i64 %d
  %key = load ptr, ptr %key.p
  %value.p = getelementptr ptr, ptr %outs, i64 %d
  %value = load ptr, ptr %value.p
  %status = call i32 @PyDict_SetItem(ptr %map, ptr %key, ptr %value)
  %set = icmp eq i32 %status, 0
  br i1 %set, label %put.dict, label %fail.dict
put.dict:
  store ptr null, ptr %value.p
  call void @Py_DecRef(ptr %value)
  %d.next = add i64 %d, 1
  br label %next.dict
fail.dict:
  call void @Py_DecRef(ptr %map)
  br label %fail
tree:
  %nodes = get ptr, %ctx, KEYS
  %built = call ptr @entry_build(ptr %nodes, ptr %outs)
  %unbuilt = icmp eq ptr %built, null
  br i1 %unbuilt, label %fail, label %wrap
wrap:
  %result = phi ptr [ @_Py_NoneStruct, %none ], [ %single, %one ], [ %pack, %next ], [ %row, %next.list ], [ %map, %next.dict ], [ %built, %tree ]
  %wrapper = get ptr, %ctx, WRAP
  %bare = icmp eq ptr %wrapper, null
  br i1 %bare, label %done, label %wrapped
done:
  ret ptr %result
wrapped:
  %final = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr %wrapper, ptr %result, ptr null)
  call void @Py_DecRef(ptr %result)
  ret ptr %final
fail:
  %n.fail = get i64, %ctx, N_RESULTS
  call void @entry_drop(ptr %outs, i64 %n.fail)
  ret ptr null
}

; Take %n references, or drop them (null among them is nothing).
define void @entry_hold(ptr %refs, i64 %n) {
entry:
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %one ]
  %more = icmp ult i64 %k, %n
  br i1 %more, label %one, label %done
one:
  %ref.p = getelementptr ptr, ptr %refs, i64 %k
  %ref = load ptr, ptr %ref.p
  call void @Py_IncRef(ptr %ref)
  %k.next = add i64 %k, 1
  br label %next
done:
  ret void
}

define void @entry_drop(ptr %refs, i64 %n) {
entry:
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %one ]
  %more = icmp ult i64 %k, %n
  br i1 %more, label %one, label %done
one:
  %ref.p = getelementptr ptr, ptr %refs, i64 %k
  %ref = load ptr, ptr %ref.p
  call void @Py_DecRef(ptr %ref)     ; takes null
  %k.next = add i64 %k, 1
  br label %next
done:
  ret void
}

; Turn a failure code of a body into a Python exception.
define void @entry_report(ptr %ctx, i32 %code, ptr %cell) {
entry:
  %name = get ptr, %ctx, NAME
  switch i32 %code, label %unknown [ i32 1, label %recorded i32 3, label %memory i32 4, label %done ]
recorded:
  %callback = get ptr, %ctx, ON_ERROR
  %site = get i64, %cell, ERR_SITE
  %index = get i64, %cell, ERR_INDEX
  %value = get i64, %cell, ERR_VALUE
  %extra = get i64, %cell, ERR_EXTRA
  %answer = call ptr (ptr, ptr, ...) @PyObject_CallFunction(ptr %callback, ptr @text.error, i64 %site, i64 %index, i64 %value, i64 %extra)
  %raised = icmp eq ptr %answer, null
  br i1 %raised, label %done, label %silent
silent:
  call void @Py_DecRef(ptr %answer)
  %system = load ptr, ptr @PyExc_SystemError
  call ptr (ptr, ptr, ...) @PyErr_Format(ptr %system, ptr @text.silent, ptr %name)
  ret void
memory:
  call ptr @PyErr_NoMemory()
  ret void
unknown:
  %system.error = load ptr, ptr @PyExc_SystemError
  call ptr (ptr, ptr, ...) @PyErr_Format(ptr %system.error, ptr @text.code, ptr %name, i32 %code)
  ret void
done:
  ret void
}

; Answer a call with the generic body, compiled now if this is its first need. As @answer.
define i1 @entry_generic(ptr %ctx, ptr %frame, ptr %args, ptr %result) {
entry:
  %present = get ptr, %ctx, GENERIC_BODY
  %loaded = icmp ne ptr %present, null
  br i1 %loaded, label %try, label %compile
compile:
  %loader = get ptr, %ctx, LOADER
  %made = call ptr @PyObject_CallNoArgs(ptr %loader)
  %bad = icmp eq ptr %made, null
  br i1 %bad, label %fail, label %check
check:
  call void @Py_DecRef(ptr %made)
  br label %try
try:
  %code = call i32 @entry_attempt(ptr %ctx, ptr %frame, ptr %args, i1 true, ptr %result)
  %overtaken = icmp eq i32 %code, 3
  br i1 %overtaken, label %try, label %end
end:
  %answered = icmp eq i32 %code, 0
  ret i1 %answered
fail:
  store ptr null, ptr %result
  ret i1 true
}

; --------------------------------------------------------------------------------------------------- lives

; Destructor of the capsule that owns a function's context: the garbage collector does not look into a capsule, so machine
; code lives until the last function that can reach it has gone, also while finalizers of a cycle are still running.
define void @tensorc_release(ptr %capsule) {
  %owner = call ptr @PyCapsule_GetContext(ptr %capsule)
  call void @Py_DecRef(ptr %owner)
  ret void
}

; ------------------------------------------------------------------------------------------------- long calls

; Call a body with the GIL released; its error cell leads to %record. 4: it was interrupted, an exception is set.
define i32 @tensorc_invoke(ptr %body, ptr %pointers, ptr %record) {
  put i64 1, %record, POLL_CHUNK
  put i64 0, %record, POLL_LAST
  put i64 0, %record, POLL_HAS_GIL
  %thread = call ptr @PyEval_SaveThread()
  put ptr %thread, %record, POLL_THREAD
  %code = call i32 %body(ptr %pointers)
  %has = get i64, %record, POLL_HAS_GIL
  %released = icmp eq i64 %has, 0
  br i1 %released, label %restore, label %done
restore:
  %own = get ptr, %record, POLL_THREAD
  call void @PyEval_RestoreThread(ptr %own)
  br label %done
done:
  ret i32 %code
}

; Called by bodies between chunks of work. Twenty times a second it lets signal handlers run; a call that held the GIL
; until now releases it after some milliseconds. Returns the next chunk, which is to take about a millisecond, or 0: a
; handler raised, and the body is to free what it holds and return 4.
define i64 @tensorc_poll(ptr %record, i64 %chunk) {
entry:
  %size = get i64, %record, POLL_CHUNK
  %never = icmp eq i64 %size, $NO_POLL_CHUNK
  br i1 %never, label %same, label %still
same:
  ret i64 %chunk
still:
  %gil = get i64, %record, POLL_HAS_GIL
  %to.the.end = icmp uge i64 %gil, $GIL_KEPT
  br i1 %to.the.end, label %all, label %clock
all:
  ret i64 $NO_POLL_CHUNK
clock:
  %time = alloca [2 x i64]
  call i32 @$CLOCK(ptr %time, i32 1)
  %seconds = load i64, ptr %time
  %rest.p = getelementptr i8, ptr %time, i64 8
  %rest.short = load i32, ptr %rest.p
  %rest = zext i32 %rest.short to i64
  %whole = mul i64 %seconds, 1000000000
  %now = add i64 %whole, %rest
  %last = get i64, %record, POLL_LAST
  put i64 %now, %record, POLL_LAST
  %has.gil = get i64, %record, POLL_HAS_GIL
  %holding = icmp ne i64 %has.gil, 0
  %none = icmp eq i64 %last, 0
  br i1 %none, label %first, label %look
first:
  %patience = select i1 %holding, i64 5000000, i64 50000000
  %begin = add i64 %now, %patience
  put i64 %begin, %record, POLL_DUE
  ret i64 %chunk
look:
  %elapsed = sub i64 %now, %last
  %due = get i64, %record, POLL_DUE
  %late = icmp sge i64 %now, %due
  %back = icmp slt i64 %elapsed, 0            ; somebody has set the clock
  %answer = or i1 %late, %back
  br i1 %answer, label %signals, label %adapt
signals:
  br i1 %holding, label %ask, label %take
take:
  %thread = get ptr, %record, POLL_THREAD
  call void @PyEval_RestoreThread(ptr %thread)
  br label %ask
ask:
  %status = call i32 @PyErr_CheckSignals()
  %raised = icmp ne i32 %status, 0
  br i1 %holding, label %asked, label %give
asked:
  br i1 %raised, label %stop, label %hold
hold:
  %args = get ptr, %record, POLL_ARGS
  %n = get i64, %record, POLL_COUNT
  call void @entry_hold(ptr %args, i64 %n)
  put i64 0, %record, POLL_HAS_GIL
  br label %give
give:
  %saved = call ptr @PyEval_SaveThread()
  put ptr %saved, %record, POLL_THREAD
  %following = add i64 %now, 50000000
  put i64 %following, %record, POLL_DUE
  br i1 %raised, label %stop, label %adapt
stop:
  ret i64 0
adapt:
  %quick = icmp slt i64 %elapsed, 1000000
  %larger = shl i64 %chunk, 3
  %most = call i64 @llvm.umin.i64(i64 %larger, i64 $NO_POLL_CHUNK)
  %slow = icmp sgt i64 %elapsed, 20000000
  %smaller = lshr i64 %chunk, 3
  %least = call i64 @llvm.umax.i64(i64 %smaller, i64 1)
  %kept = select i1 %slow, i64 %least, i64 %chunk
  %next = select i1 %quick, i64 %most, i64 %kept
  ret i64 %next
}

; ------------------------------------------------------------------------------------------- large results

; A new array in a block of ours, which it owns as it would own NumPy's: its handler frees and resizes it. NumPy allocates,
; or says what is wrong, where we cannot.
define ptr @entry_large_array(ptr %descr, i32 %nd, ptr %dims, i64 %bytes) {
entry:
  call void @Py_IncRef(ptr %descr)
  %handler = load ptr, ptr @tensorc_memory_handler
  %known = icmp ne ptr %handler, null
  %sane = icmp ult i64 %bytes, 281474976710656
  %ours = and i1 %known, %sane
  br i1 %ours, label %take, label %plain
take:
  %block = call ptr @tensorc_alloc(i64 %bytes)
  %none = icmp eq ptr %block, null
  br i1 %none, label %plain, label %wrap
plain:
  %other = call ptr @tensorc_np_NewFromDescr(ptr @tensorc_ndarray_type, ptr %descr, i32 %nd, ptr %dims, ptr null, ptr null, i32 0, ptr null)
  ret ptr %other
wrap:
  %array = call ptr @tensorc_np_NewFromDescr(ptr @tensorc_ndarray_type, ptr %descr, i32 %nd, ptr %dims, ptr null, ptr %block, i32 $NPY_CARRAY, ptr null)
  %failed = icmp eq ptr %array, null
  br i1 %failed, label %fail, label %own
own:
  call void @Py_IncRef(ptr %handler)
  put ptr %handler, %array, ARRAY_HANDLER
  %flags = get i32, %array, ARRAY_FLAGS
  %owning = or i32 %flags, $NPY_OWNDATA
  put i32 %owning, %array, ARRAY_FLAGS
  %address = ptrtoint ptr %block to i64
  call i32 @PyTraceMalloc_Track(i32 $NPY_TRACE_DOMAIN, i64 %address, i64 %bytes)
  ret ptr %array
fail:
  call void @tensorc_free(ptr %block)
  ret ptr null
}
