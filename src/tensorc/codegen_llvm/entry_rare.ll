; The rest of the native entry: what a call of a function without cells, returning one array, does not run. See
; entry.ll. A call's object references lie in one area of its frame: cells, outputs, replaced values.

@_Py_NoneStruct = external global i8
@PyExc_SystemError = external global ptr

declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyErr_NoMemory()
declare ptr @PyErr_Format(ptr, ptr, ...)
declare ptr @PyObject_CallNoArgs(ptr)
declare ptr @PyObject_CallFunction(ptr, ptr, ...)
declare ptr @PyObject_CallFunctionObjArgs(ptr, ...)
declare ptr @PyTuple_New(i64)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare ptr @PyList_New(i64)
declare i64 @PyList_Size(ptr)
declare ptr @PyList_GetItem(ptr, i64)
declare i32 @PyList_SetItem(ptr, i64, ptr)
declare ptr @PyCapsule_GetContext(ptr)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare i32 @PyThread_acquire_lock(ptr, i32)
declare void @PyThread_release_lock(ptr)
declare ptr @$ALIGNED_ALLOC(i64, i64)
declare void @$ALIGNED_FREE(ptr)

; In entry.ll.
declare i32 @entry_attempt(ptr, ptr, ptr, i1, ptr)
declare i64 @entry_describe(ptr, ptr, ptr, ptr, i64)

text @text.code = "%s: the compiled body returned the unexpected code %d"
text @text.silent = "%s: the error callback returned without raising"
text @text.error = "LLLL"

; --------------------------------------------------------------------------------------------------- cells

; Take a strong reference to what every cell holds now, and describe it. Returns their form as @native_form does; or -1 if
; one is not native, and has dropped what it took.
define i64 @entry_bind_cells(ptr %ctx, ptr %frame, ptr %pointers, ptr %refs) {
entry:
  %n = get i64, %ctx, N_CELLS
  %cells = get ptr, %ctx, CELLS
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
  br i1 %holds, label %full, label %foreign
full:
  %array = call ptr @PyList_GetItem(ptr %cell, i64 0)
  call void @Py_IncRef(ptr %array)
  %ref = getelementptr ptr, ptr %refs, i64 %k
  store ptr %array, ptr %ref
  %k.next = add i64 %k, 1
  br label %next
done:
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
  %taken = phi i64 [ %k, %one ], [ %n, %done ]
  call void @entry_drop(ptr %refs, i64 %taken)
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

; Take the locks of all cells of a function with updates. They are sorted, the same order for every function, so that no
; two calls wait for each other; a lock that is not free is waited for without the GIL.
define void @entry_lock(ptr %ctx) {
entry:
  %n = get i64, %ctx, N_LOCKS
  %locks = get ptr, %ctx, LOCKS
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %taken ]
  %more = icmp ult i64 %k, %n
  br i1 %more, label %one, label %done
one:
  %box.p = getelementptr ptr, ptr %locks, i64 %k
  %box = load ptr, ptr %box.p
  %lock = load ptr, ptr %box
  %at.once = call i32 @PyThread_acquire_lock(ptr %lock, i32 0)
  %free = icmp ne i32 %at.once, 0
  br i1 %free, label %taken, label %wait
wait:
  %thread = call ptr @PyEval_SaveThread()
  call i32 @PyThread_acquire_lock(ptr %lock, i32 1)
  call void @PyEval_RestoreThread(ptr %thread)
  br label %taken
taken:
  %k.next = add i64 %k, 1
  br label %next
done:
  ret void
}

define internal void @unlock_cells(ptr %ctx) {
entry:
  %n = get i64, %ctx, N_LOCKS
  %locks = get ptr, %ctx, LOCKS
  br label %next
next:
  %left = phi i64 [ %n, %entry ], [ %k, %one ]
  %more = icmp ne i64 %left, 0
  br i1 %more, label %one, label %done
one:
  %k = sub i64 %left, 1
  %box.p = getelementptr ptr, ptr %locks, i64 %k
  %box = load ptr, ptr %box.p
  %lock = load ptr, ptr %box
  call void @PyThread_release_lock(ptr %lock)
  br label %next
done:
  ret void
}

; Give back what a call holds when it ends: the locks, and the first %bound references to what cells held.
define void @entry_leave(ptr %ctx, ptr %refs, i64 %bound) {
  call void @unlock_cells(ptr %ctx)
  call void @entry_drop(ptr %refs, i64 %bound)
  ret void
}

; Put every new value into its cell and end the call's hold on the cells. What a cell held is dropped only after the locks
; are free: dropping an array can run Python code. False: an exception is set, since somebody has emptied a cell.
define i1 @entry_commit(ptr %ctx, ptr %refs, ptr %outs) {
entry:
  %n = get i64, %ctx, N_UPDATES
  %n.cells = get i64, %ctx, N_CELLS
  %n.outputs = get i64, %ctx, N_OUTPUTS
  %olds = getelementptr ptr, ptr %outs, i64 %n.outputs
  %pairs = get ptr, %ctx, UPDATES
  %cells = get ptr, %ctx, CELLS
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %hold ]
  %more = icmp ult i64 %k, %n
  br i1 %more, label %one, label %finish
one:
  %first = mul i64 %k, 2
  %cell.index.p = getelementptr i64, ptr %pairs, i64 %first
  %cell.index = load i64, ptr %cell.index.p
  %out.index.p = getelementptr i64, ptr %cell.index.p, i64 1
  %out.index = load i64, ptr %out.index.p
  %cell.p = getelementptr ptr, ptr %cells, i64 %cell.index
  %cell = load ptr, ptr %cell.p
  %out.p = getelementptr ptr, ptr %outs, i64 %out.index
  %value = load ptr, ptr %out.p
  %old = call ptr @PyList_GetItem(ptr %cell, i64 0)
  %emptied = icmp eq ptr %old, null
  br i1 %emptied, label %finish, label %hold
hold:
  call void @Py_IncRef(ptr %old)
  %old.p = getelementptr ptr, ptr %olds, i64 %k
  store ptr %old, ptr %old.p
  store ptr null, ptr %out.p
  %status = call i32 @PyList_SetItem(ptr %cell, i64 0, ptr %value)
  %k.next = add i64 %k, 1
  br label %next
finish:
  %ok = phi i1 [ true, %next ], [ false, %one ]
  call void @entry_leave(ptr %ctx, ptr %refs, i64 %n.cells)
  call void @entry_drop(ptr %olds, i64 %k)
  ret i1 %ok
}

; -------------------------------------------------------------------------------------- results and errors

; None, one array, or a new tuple or list of arrays; then the function's own wrapper, if any. Takes over the references.
define ptr @entry_collect(ptr %ctx, ptr %outs) {
entry:
  %form = get i64, %ctx, RESULT_FORM
  switch i64 %form, label %none [ i64 1, label %one i64 2, label %tuple i64 3, label %list ]
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
wrap:
  %result = phi ptr [ @_Py_NoneStruct, %none ], [ %single, %one ], [ %pack, %next ], [ %row, %next.list ]
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
  switch i32 %code, label %unknown [ i32 1, label %recorded i32 3, label %memory ]
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

; --------------------------------------------------------------------------------------- memory for bodies

; 64-byte aligned scratch memory; null if there is none (also for a negative size): the body then frees what it holds and
; returns 3.
define ptr @tensorc_alloc(i64 %bytes) {
entry:
  %sane = icmp ult i64 %bytes, 9223372036854775680
  br i1 %sane, label %some, label %none
some:
  %least = add i64 %bytes, 64
  %rounded = and i64 %least, -64
  %memory = call ptr @$ALIGNED_ALLOC(i64 $ALLOC_FIRST, i64 $ALLOC_SECOND)
  ret ptr %memory
none:
  ret ptr null
}

define void @tensorc_free(ptr %memory) {
  call void @$ALIGNED_FREE(ptr %memory)
  ret void
}
