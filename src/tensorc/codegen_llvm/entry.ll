; The native entry: what CPython calls when a compiled function is called. Compiled once a process, shared by
; all functions.
;
; One call goes: have the cells -> describe inputs and cells as memrefs -> pick a body -> shape function -> allocate
; outputs -> body -> commit updates -> build the result. Everything a call needs lives in its own frame on the
; stack, so the entry is re-entrant. Whatever is not in native form (see @native_form) goes to the function's
; Python slow path, which converts and calls back. This file is what every call runs; entry_rare.ll has the rest,
; which is compiled without optimising, because that takes a fifth of the time.
;
; The files are LLVM IR with three abbreviations, expanded by entry.py:
;     %x = get TYPE, %base, FIELD        load the field at byte offset FIELD of %base
;     put TYPE %x, %base, FIELD          store to it
;     text @name = "..."                 a zero-terminated string
; and $NAME for a number. Names of fields and numbers come from entry_layout.py, which measures them on live objects
; where CPython or NumPy own them.

@tensorc_ndarray_type = external global i8
@_Py_NoneStruct = external global i8
@PyExc_TypeError = external global ptr
@PyExc_SystemError = external global ptr

declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyErr_NoMemory()
declare ptr @PyErr_Format(ptr, ptr, ...)
declare ptr @PyBytes_AsString(ptr)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare void @PyEval_RestoreThread(ptr)
declare ptr @tensorc_np_NewFromDescr(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)
declare i64 @llvm.umin.i64(i64, i64)
declare i64 @llvm.uadd.sat.i64(i64, i64)
declare { i64, i1 } @llvm.umul.with.overflow.i64(i64, i64)

; In entry_rare.ll.
declare i1 @entry_enter(ptr, ptr)
declare void @entry_leave(ptr, ptr, i64)
declare i64 @entry_bind_cells(ptr, ptr, ptr, ptr)
declare void @entry_bind_constants(ptr, ptr)
declare i32 @entry_commit(ptr, ptr, ptr)
declare ptr @entry_collect(ptr, ptr)
declare void @entry_hold(ptr, i64)
declare void @entry_drop(ptr, i64)
declare i32 @tensorc_invoke(ptr, ptr, ptr)
declare void @entry_report(ptr, i32, ptr)
declare i1 @entry_generic(ptr, ptr, ptr, ptr)
declare ptr @entry_large_array(ptr, i32, ptr, i64)

; In entry_bind.ll.
declare ptr @entry_bind(ptr, ptr, ptr, i64, ptr)
declare i64 @entry_scalar(ptr, ptr, ptr)
declare ptr @entry_place(ptr, ptr, ptr, ptr, ptr)

; In entry_small.ll.
declare i1 @entry_sibling(ptr, ptr, i64, ptr, ptr)

; In entry_tree.ll.
declare i1 @entry_take(ptr, ptr, ptr, i64, ptr)

; In memory.ll.
declare ptr @tensorc_alloc(i64)
declare void @tensorc_free(ptr)

text @text.released = "this compiled function has been taken apart by gc"
text @text.foreign = "%s: an argument or shared variable is not an array in native form (%zd arguments)"

; --------------------------------------------------------------------------------------------- descriptors

; Fill %desc from the ndarray %obj if it is in the native form that %spec asks for: exactly numpy.ndarray, the dtype's own
; singleton, the rank, the static extents, aligned, strides whole elements. Returns -1 if it is not, else
; 2 * bytes + (1 if C-contiguous). A contiguous array gets canonical strides, because NumPy leaves any number in the
; stride of an axis of extent 1.
define internal i64 @native_form(ptr %obj, ptr %spec, ptr %desc) alwaysinline {
entry:
  %type = get ptr, %obj, OBJECT_TYPE
  %exact = icmp eq ptr %type, @tensorc_ndarray_type
  br i1 %exact, label %typed, label %number
number:
  %scalar = get i64, %spec, SPEC_SCALAR
  %array.only = icmp eq i64 %scalar, 0
  br i1 %array.only, label %foreign, label %convert
convert:
  %number.form = call i64 @entry_scalar(ptr %obj, ptr %spec, ptr %desc)
  ret i64 %number.form
typed:
  %descr = get ptr, %obj, ARRAY_DESCR
  %descr.want = get ptr, %spec, SPEC_DESCR
  %descr.ok = icmp eq ptr %descr, %descr.want
  %nd.short = get i32, %obj, ARRAY_ND
  %nd = zext i32 %nd.short to i64
  %nd.want = get i64, %spec, SPEC_ND
  %nd.ok = icmp eq i64 %nd, %nd.want
  %flags = get i32, %obj, ARRAY_FLAGS
  %aligned.bit = and i32 %flags, $NPY_ALIGNED
  %aligned = icmp ne i32 %aligned.bit, 0
  %kind.ok = and i1 %descr.ok, %nd.ok
  %ok = and i1 %kind.ok, %aligned
  br i1 %ok, label %fill, label %foreign
fill:
  %contiguous.bit = and i32 %flags, $NPY_C_CONTIGUOUS
  %contiguous = icmp ne i32 %contiguous.bit, 0
  %dims = get ptr, %obj, ARRAY_DIMENSIONS
  %byte.strides = get ptr, %obj, ARRAY_STRIDES
  %data = get ptr, %obj, ARRAY_DATA
  put ptr %data, %desc, DESC_ALLOCATED
  put ptr %data, %desc, DESC_ALIGNED
  put i64 0, %desc, DESC_OFFSET
  %sizes = getelementptr i8, ptr %desc, i64 $DESC_SIZES
  %strides = getelementptr i64, ptr %sizes, i64 %nd
  %shift = get i64, %spec, SPEC_SHIFT
  %item = shl i64 1, %shift
  %mask = sub i64 %item, 1
  %wants = get ptr, %spec, SPEC_EXTENTS
  br label %next
next:
  %left = phi i64 [ %nd, %fill ], [ %axis, %stored ]
  %count = phi i64 [ 1, %fill ], [ %count.next, %stored ]
  %more = icmp ne i64 %left, 0
  br i1 %more, label %one, label %done
one:
  %axis = sub i64 %left, 1
  %dim.p = getelementptr i64, ptr %dims, i64 %axis
  %dim = load i64, ptr %dim.p
  %want.p = getelementptr i64, ptr %wants, i64 %axis
  %want = load i64, ptr %want.p
  %any = icmp slt i64 %want, 0
  %equal = icmp eq i64 %want, %dim
  %dim.ok = or i1 %any, %equal
  br i1 %dim.ok, label %sized, label %foreign
sized:
  %size.p = getelementptr i64, ptr %sizes, i64 %axis
  store i64 %dim, ptr %size.p
  %byte.stride.p = getelementptr i64, ptr %byte.strides, i64 %axis
  %byte.stride = load i64, ptr %byte.stride.p
  %rest = and i64 %byte.stride, %mask
  %whole = icmp eq i64 %rest, 0
  %unit = icmp ule i64 %dim, 1
  %free = or i1 %unit, %contiguous
  %stride.ok = or i1 %free, %whole
  br i1 %stride.ok, label %stored, label %foreign
stored:
  %elements = ashr i64 %byte.stride, %shift
  %strided = select i1 %unit, i64 0, i64 %elements
  %stride = select i1 %contiguous, i64 %count, i64 %strided
  %stride.p = getelementptr i64, ptr %strides, i64 %axis
  store i64 %stride, ptr %stride.p
  %count.next = mul i64 %count, %dim
  br label %next
done:
  %bytes.all = shl i64 %count, %shift
  %bytes = call i64 @llvm.umin.i64(i64 %bytes.all, i64 1152921504606846976)
  %twice = shl i64 %bytes, 1
  %contiguous.wide = zext i1 %contiguous to i64
  %form = or i64 %twice, %contiguous.wide
  ret i64 %form
foreign:
  ret i64 -1
}

; Fill %desc for a fresh contiguous array.
define internal void @fill_fresh(ptr %desc, ptr %data, ptr %dims, i64 %nd) alwaysinline {
entry:
  put ptr %data, %desc, DESC_ALLOCATED
  put ptr %data, %desc, DESC_ALIGNED
  put i64 0, %desc, DESC_OFFSET
  %sizes = getelementptr i8, ptr %desc, i64 $DESC_SIZES
  %strides = getelementptr i64, ptr %sizes, i64 %nd
  br label %next
next:
  %left = phi i64 [ %nd, %entry ], [ %axis, %one ]
  %count = phi i64 [ 1, %entry ], [ %count.next, %one ]
  %more = icmp ne i64 %left, 0
  br i1 %more, label %one, label %done
one:
  %axis = sub i64 %left, 1
  %dim.p = getelementptr i64, ptr %dims, i64 %axis
  %dim = load i64, ptr %dim.p
  %size.p = getelementptr i64, ptr %sizes, i64 %axis
  store i64 %dim, ptr %size.p
  %stride.p = getelementptr i64, ptr %strides, i64 %axis
  store i64 %count, ptr %stride.p
  %count.next = mul i64 %count, %dim
  br label %next
done:
  ret void
}

; The descriptor of a scratch vector of i64: the error cell, the output extents.
define internal void @fill_vector(ptr %desc, ptr %data, i64 %length) alwaysinline {
  put ptr %data, %desc, DESC_ALLOCATED
  put ptr %data, %desc, DESC_ALIGNED
  put i64 0, %desc, DESC_OFFSET
  put i64 %length, %desc, DESC_SIZES
  put i64 1, %desc, DESC_STRIDE_1D
  ret void
}

; Join two answers of @native_form: the sum of bytes, saturating, and whether all are contiguous.
define internal i64 @join_forms(i64 %a, i64 %b) alwaysinline {
  %a.bytes = and i64 %a, -2
  %b.bytes = and i64 %b, -2
  %sum = call i64 @llvm.uadd.sat.i64(i64 %a.bytes, i64 %b.bytes)
  %bytes = call i64 @llvm.umin.i64(i64 %sum, i64 2305843009213693952)
  %both = and i64 %a, %b
  %flag = and i64 %both, 1
  %form = or i64 %bytes, %flag
  ret i64 %form
}

; --------------------------------------------------------------------------------------- inputs and outputs

; Describe %n arrays, each after its own record in %specs, at the places in the frame that the records say; %pointers gets
; the descriptors. Returns their joined form, or -1 if one is not native.
define i64 @entry_describe(ptr %specs, ptr %frame, ptr %pointers, ptr %arrays, i64 %n) {
entry:
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %described ]
  %all = phi i64 [ 1, %entry ], [ %all.next, %described ]
  %more = icmp ult i64 %k, %n
  br i1 %more, label %one, label %done
one:
  %array.p = getelementptr ptr, ptr %arrays, i64 %k
  %array = load ptr, ptr %array.p
  %at = mul i64 %k, $SPEC_BYTES
  %spec = getelementptr i8, ptr %specs, i64 %at
  %place = get i64, %spec, SPEC_PLACE
  %desc = getelementptr i8, ptr %frame, i64 %place
  %form = call i64 @native_form(ptr %array, ptr %spec, ptr %desc)
  %native = icmp sge i64 %form, 0
  br i1 %native, label %described, label %foreign
described:
  %slot = getelementptr ptr, ptr %pointers, i64 %k
  store ptr %desc, ptr %slot
  %all.next = call i64 @join_forms(i64 %all, i64 %form)
  %k.next = add i64 %k, 1
  br label %next
done:
  ret i64 %all
foreign:
  ret i64 -1
}

; The bytes of an array with these extents; 2**64 - 1 if that is no number of bytes.
define i64 @entry_bytes_of(ptr %dims, i64 %nd, i64 %shift) alwaysinline {
entry:
  %item = shl i64 1, %shift
  br label %next
next:
  %left = phi i64 [ %nd, %entry ], [ %axis, %one ]
  %bytes = phi i64 [ %item, %entry ], [ %product, %one ]
  %more = icmp ne i64 %left, 0
  br i1 %more, label %one, label %done
one:
  %axis = sub i64 %left, 1
  %dim.p = getelementptr i64, ptr %dims, i64 %axis
  %dim = load i64, ptr %dim.p
  %pair = call { i64, i1 } @llvm.umul.with.overflow.i64(i64 %bytes, i64 %dim)
  %wrapped = extractvalue { i64, i1 } %pair, 0
  %overflow = extractvalue { i64, i1 } %pair, 1
  %product = select i1 %overflow, i64 -1, i64 %wrapped
  br label %next
done:
  ret i64 %bytes
}

; A new array of these extents, %room bytes; null with a Python exception set.
define ptr @entry_new_array(ptr %spec, ptr %dims, i64 %room) alwaysinline {
entry:
  %descr = get ptr, %spec, SPEC_DESCR
  %nd = get i32, %spec, SPEC_ND
  %is.small = icmp ult i64 %room, $KEEP_FROM
  br i1 %is.small, label %little, label %large
little:
  call void @Py_IncRef(ptr %descr)
  %small.array = call ptr @tensorc_np_NewFromDescr(ptr @tensorc_ndarray_type, ptr %descr, i32 %nd, ptr %dims, ptr null, ptr null, i32 0, ptr null)
  ret ptr %small.array
large:
  %large.array = call ptr @entry_large_array(ptr %descr, i32 %nd, ptr %dims, i64 %room)
  ret ptr %large.array
}

; Allocate every output from number %begin on at the %extents the shape function wrote, but for those to which %overs, unless it is
; null, gives the number of an argument: their arrays are
; found when the body claims them. Returns their bytes; or -1 with a Python exception set, and has dropped what it made.
define internal i64 @allocate_outputs(ptr %ctx, ptr %frame, ptr %pointers, ptr %outs, i64 %begin, ptr %extents, ptr %overs) alwaysinline {
entry:
  %claims = icmp ne ptr %overs, null
  %n = get i64, %ctx, N_OUTPUTS
  %first = get i64, %ctx, N_ARGUMENTS
  %specs = get ptr, %ctx, OUTPUT_SPECS
  br label %next
next:
  %k = phi i64 [ %begin, %entry ], [ %k.next, %made ]
  %dims = phi ptr [ %extents, %entry ], [ %dims.next, %made ]
  %total = phi i64 [ 0, %entry ], [ %total.next, %made ]
  %more = icmp ult i64 %k, %n
  br i1 %more, label %one, label %done
one:
  %at = mul i64 %k, $SPEC_BYTES
  %spec = getelementptr i8, ptr %specs, i64 %at
  %nd = get i64, %spec, SPEC_ND
  %shift = get i64, %spec, SPEC_SHIFT
  %room = call i64 @entry_bytes_of(ptr %dims, i64 %nd, i64 %shift)
  br i1 %claims, label %ask, label %new
ask:
  %over.p = getelementptr i64, ptr %overs, i64 %k
  %over = load i64, ptr %over.p
  %later = icmp sge i64 %over, 0
  br i1 %later, label %made, label %new
new:
  %fresh = call ptr @entry_new_array(ptr %spec, ptr %dims, i64 %room)
  %failed = icmp eq ptr %fresh, null
  br i1 %failed, label %fail, label %ready
ready:
  %fresh.data = get ptr, %fresh, ARRAY_DATA
  br label %made
made:
  %array = phi ptr [ null, %ask ], [ %fresh, %ready ]
  %data = phi ptr [ null, %ask ], [ %fresh.data, %ready ]
  %out = getelementptr ptr, ptr %outs, i64 %k
  store ptr %array, ptr %out
  %place = get i64, %spec, SPEC_PLACE
  %desc = getelementptr i8, ptr %frame, i64 %place
  call void @fill_fresh(ptr %desc, ptr %data, ptr %dims, i64 %nd)
  %total.next = call i64 @llvm.uadd.sat.i64(i64 %total, i64 %room)
  %index = add i64 %first, %k
  %slot = getelementptr ptr, ptr %pointers, i64 %index
  store ptr %desc, ptr %slot
  %dims.next = getelementptr i64, ptr %dims, i64 %nd
  %k.next = add i64 %k, 1
  br label %next
done:
  %small = call i64 @llvm.umin.i64(i64 %total, i64 1152921504606846976)
  ret i64 %small
fail:
  call void @entry_drop(ptr %outs, i64 %k)
  ret i64 -1
}

; ------------------------------------------------------------------------------------------------- running

; Call the body. With much data the GIL is released, and the arguments are held: their owner may drop them meanwhile. With
; little data @tensorc_poll may do the same, if it takes long all the same.
define internal i32 @run_body(ptr %ctx, ptr %body, ptr %pointers, ptr %args, i64 %bytes, ptr %frame, ptr %overs) alwaysinline {
entry:
  %record = getelementptr i8, ptr %frame, i64 $FRAME_POLL
  put i64 0, %record, POLL_LAST
  put ptr null, %record, POLL_CONTEXT
  put ptr %args, %record, POLL_ARGS
  %claims = icmp ne ptr %overs, null
  br i1 %claims, label %claim, label %start
claim:
  put ptr %ctx, %record, POLL_CONTEXT
  put ptr %frame, %record, POLL_FRAME
  br label %start
start:
  %n = get i64, %ctx, N_INPUTS
  %limit = get i64, %ctx, GIL_BYTES
  %large = icmp ugt i64 %bytes, %limit
  br i1 %large, label %released, label %direct
direct:
  put i64 64, %record, POLL_CHUNK
  put i64 1, %record, POLL_HAS_GIL
  put i64 %n, %record, POLL_COUNT
  %code = call i32 %body(ptr %pointers)
  %has.gil = get i64, %record, POLL_HAS_GIL
  %ever = trunc i64 %has.gil to i1
  br i1 %ever, label %done, label %released.meanwhile
released.meanwhile:
  %taken.back = icmp ne i64 %has.gil, 0
  br i1 %taken.back, label %drop, label %restore
restore:
  %given.away = get ptr, %record, POLL_THREAD
  call void @PyEval_RestoreThread(ptr %given.away)
  br label %drop
drop:
  call void @entry_drop(ptr %args, i64 %n)
  br label %done
done:
  ret i32 %code
released:
  call void @entry_hold(ptr %args, i64 %n)
  %code.released = call i32 @tensorc_invoke(ptr %body, ptr %pointers, ptr %record)
  call void @entry_drop(ptr %args, i64 %n)
  ret i32 %code.released
}

define internal void @count(ptr %ctx, i1 %fast) alwaysinline {
  %at = select i1 %fast, i64 $COUNT_FAST, i64 $COUNT_GENERIC
  %place = getelementptr i8, ptr %ctx, i64 %at
  %n = load i64, ptr %place
  %n.next = add i64 %n, 1
  store i64 %n.next, ptr %place
  ret void
}

; One try with one body. Returns 0: finished, %result holds the answer, or null with an exception set; 1: something is
; not in native form; 2: the generic body is needed; 3: a cell was written meanwhile, the call has to begin again.
define i32 @entry_attempt(ptr %ctx, ptr %frame, ptr %args, i1 %generic.only, ptr %result) {
entry:
  %pointers = getelementptr i8, ptr %frame, i64 $FRAME_HEAD
  %refs.at = get i64, %ctx, REFS_AT
  %refs = getelementptr i8, ptr %frame, i64 %refs.at
  %n.cells = get i64, %ctx, N_CELLS
  %has.cells = icmp ne i64 %n.cells, 0
  br i1 %has.cells, label %enter, label %inputs
enter:
  %entered = call i1 @entry_enter(ptr %ctx, ptr %frame)
  br i1 %entered, label %inputs, label %refused
inputs:
  %n.inputs = get i64, %ctx, N_INPUTS
  %specs = get ptr, %ctx, INPUT_SPECS
  %inputs.form = call i64 @entry_describe(ptr %specs, ptr %frame, ptr %pointers, ptr %args, i64 %n.inputs)
  %inputs.native = icmp sge i64 %inputs.form, 0
  br i1 %inputs.native, label %cells.maybe, label %foreign
cells.maybe:
  br i1 %has.cells, label %cells, label %choose
cells:
  %cells.form = call i64 @entry_bind_cells(ptr %ctx, ptr %frame, ptr %pointers, ptr %refs)
  %cells.native = icmp sge i64 %cells.form, 0
  br i1 %cells.native, label %choose, label %foreign
foreign:
  br i1 %has.cells, label %foreign.cells, label %not.native
foreign.cells:
  call void @entry_leave(ptr %ctx, ptr %frame, i64 0)
  br label %not.native
not.native:
  ret i32 1
refused:
  store ptr null, ptr %result
  ret i32 0

choose:
  %cells.or.none = phi i64 [ 1, %cells.maybe ], [ %cells.form, %cells ]
  %form = call i64 @join_forms(i64 %inputs.form, i64 %cells.or.none)
  %contiguous.bit = and i64 %form, 1
  %contiguous = icmp ne i64 %contiguous.bit, 0
  %fast.body = get ptr, %ctx, FAST_BODY
  %has.fast = icmp ne ptr %fast.body, null
  %may.fast = and i1 %contiguous, %has.fast
  %fast = select i1 %generic.only, i1 false, i1 %may.fast
  %fast.shapes = get ptr, %ctx, FAST_SHAPES
  %generic.body = get ptr, %ctx, GENERIC_BODY
  %generic.shapes = get ptr, %ctx, GENERIC_SHAPES
  %body = select i1 %fast, ptr %fast.body, ptr %generic.body
  %shapes = select i1 %fast, ptr %fast.shapes, ptr %generic.shapes
  %present = icmp ne ptr %body, null
  br i1 %present, label %constants.maybe, label %absent
absent:
  br i1 %has.cells, label %absent.cells, label %compile
absent.cells:
  call void @entry_leave(ptr %ctx, ptr %frame, i64 %n.cells)
  br label %compile
compile:
  ret i32 2

constants.maybe:
  %n.constants = get i64, %ctx, N_CONSTANTS
  %has.constants = icmp ne i64 %n.constants, 0
  br i1 %has.constants, label %constants, label %shape
constants:
  call void @entry_bind_constants(ptr %ctx, ptr %pointers)
  br label %shape
shape:
  %n.arguments = get i64, %ctx, N_ARGUMENTS
  %after.arguments = getelementptr ptr, ptr %pointers, i64 %n.arguments
  %error.desc = getelementptr i8, ptr %frame, i64 $FRAME_ERROR_DESC
  %error.cell = getelementptr i8, ptr %frame, i64 $FRAME_ERROR
  call void @fill_vector(ptr %error.desc, ptr %error.cell, i64 4)
  %poll.record = getelementptr i8, ptr %frame, i64 $FRAME_POLL
  put ptr %poll.record, %error.desc, DESC_ALLOCATED
  %extents.desc = getelementptr i8, ptr %frame, i64 $FRAME_EXTENTS_DESC
  %extents.at = get i64, %ctx, EXTENTS_AT
  %extents = getelementptr i8, ptr %frame, i64 %extents.at
  %n.extents = get i64, %ctx, N_EXTENTS
  %notes = getelementptr i64, ptr %extents, i64 %n.extents
  store i64 0, ptr %notes
  %n.words = get i64, %ctx, N_WORDS
  call void @fill_vector(ptr %extents.desc, ptr %extents, i64 %n.words)
  store ptr %error.desc, ptr %after.arguments
  %second = getelementptr ptr, ptr %after.arguments, i64 1
  store ptr %extents.desc, ptr %second
  %shape.code = call i32 %shapes(ptr %pointers)
  %shape.ok = icmp eq i32 %shape.code, 0
  %outs = getelementptr ptr, ptr %refs, i64 %n.cells
  %n.outputs = get i64, %ctx, N_OUTPUTS
  br i1 %shape.ok, label %into.maybe, label %failed
into.maybe:
  %targets = get ptr, %frame, FRAME_OUTS
  %fresh = icmp eq ptr %targets, null
  br i1 %fresh, label %allocate, label %into
into:
  %n.results = get i64, %ctx, N_RESULTS
  %rest = call ptr @entry_place(ptr %ctx, ptr %frame, ptr %pointers, ptr %outs, ptr %extents)
  %unfit = icmp eq ptr %rest, null
  br i1 %unfit, label %elsewhere, label %allocate
elsewhere:
  br i1 %has.cells, label %elsewhere.cells, label %not.native
elsewhere.cells:
  call void @entry_leave(ptr %ctx, ptr %frame, i64 %n.cells)
  br label %not.native
allocate:
  %begin = phi i64 [ 0, %into.maybe ], [ %n.results, %into ]
  %dims = phi ptr [ %extents, %into.maybe ], [ %rest, %into ]
  %noted = load i64, ptr %notes
  %noted.claims = and i64 %noted, $NOTE_CLAIMS
  %claims = icmp ne i64 %noted.claims, 0
  %noted.overs = getelementptr i64, ptr %notes, i64 1
  %overs = select i1 %claims, ptr %noted.overs, ptr null
  %out.bytes = call i64 @allocate_outputs(ptr %ctx, ptr %frame, ptr %pointers, ptr %outs, i64 %begin, ptr %dims, ptr %overs)
  %allocated = icmp sge i64 %out.bytes, 0
  br i1 %allocated, label %compute, label %raised
compute:
  %after.outputs = getelementptr ptr, ptr %after.arguments, i64 %n.outputs
  store ptr %error.desc, ptr %after.outputs
  %in.bytes = lshr i64 %form, 1
  %bytes = add i64 %in.bytes, %out.bytes
  %code = call i32 @run_body(ptr %ctx, ptr %body, ptr %pointers, ptr %args, i64 %bytes, ptr %frame, ptr %overs)
  %ok = icmp eq i32 %code, 0
  br i1 %ok, label %commit.maybe, label %body.failed
commit.maybe:
  br i1 %has.cells, label %commit, label %finish
commit:
  %committed = call i32 @entry_commit(ptr %ctx, ptr %frame, ptr %outs)
  switch i32 %committed, label %uncommitted [ i32 1, label %finish i32 2, label %overtaken ]
overtaken:
  ret i32 3
finish:
  call void @count(ptr %ctx, i1 %fast)
  %result.form = get i64, %ctx, RESULT_FORM
  %single = icmp eq i64 %result.form, $RESULT_ONE_BARE
  br i1 %single, label %one, label %several
one:
  %array = load ptr, ptr %outs
  store ptr %array, ptr %result
  ret i32 0
several:
  %answer = call ptr @entry_collect(ptr %ctx, ptr %outs)
  store ptr %answer, ptr %result
  ret i32 0

uncommitted:
  store ptr null, ptr %result
  ret i32 0
raised:
  br i1 %has.cells, label %raised.cells, label %uncommitted
raised.cells:
  call void @entry_leave(ptr %ctx, ptr %frame, i64 %n.cells)
  br label %uncommitted
body.failed:
  call void @entry_drop(ptr %outs, i64 %n.outputs)
  br label %failed
failed:
  %failure = phi i32 [ %shape.code, %shape ], [ %code, %body.failed ]
  br i1 %has.cells, label %failed.cells, label %which
failed.cells:
  call void @entry_leave(ptr %ctx, ptr %frame, i64 %n.cells)
  br label %which
which:
  %assumption = icmp eq i32 %failure, 2
  %retry = and i1 %assumption, %fast
  br i1 %retry, label %again, label %other
again:
  ret i32 2
other:
  %begin.again = icmp eq i32 %failure, $OVERTAKEN
  br i1 %begin.again, label %overtaken, label %error
error:
  call void @entry_report(ptr %ctx, i32 %failure, ptr %error.cell)
  store ptr null, ptr %result
  ret i32 0
}

; Try the body that fits, then the generic one. True: answered, in %result; false: something is not in native form.
define internal i1 @answer(ptr %ctx, ptr %frame, ptr %given.args, i64 %given, ptr %kwnames, ptr %result) alwaysinline {
entry:
  put ptr null, %frame, FRAME_OUTS
  %wanted = get i64, %ctx, N_INPUTS
  %count.ok = icmp eq i64 %given, %wanted
  %plain = icmp eq ptr %kwnames, null
  %positional = and i1 %count.ok, %plain
  br i1 %positional, label %try, label %bind
bind:
  %bound = call ptr @entry_bind(ptr %ctx, ptr %frame, ptr %given.args, i64 %given, ptr %kwnames)
  %unbound = icmp eq ptr %bound, null
  br i1 %unbound, label %foreign, label %try
try:
  %args = phi ptr [ %given.args, %entry ], [ %bound, %bind ], [ %args, %try ]
  %code = call i32 @entry_attempt(ptr %ctx, ptr %frame, ptr %args, i1 false, ptr %result)
  switch i32 %code, label %answered [ i32 1, label %foreign i32 2, label %more i32 3, label %try ]
answered:
  ret i1 true
foreign:
  ret i1 false
more:
  %generic = call i1 @entry_generic(ptr %ctx, ptr %frame, ptr %args, ptr %result)
  ret i1 %generic
}

; The vectorcall slot of every compiled function.
define ptr @tensorc_call(ptr %self, ptr %args, i64 %nargsf, ptr %kwnames) {
entry:
  %result = alloca ptr
  %capsule = get ptr, %self, FUNCTION_CONTEXT
  %alive = icmp ne ptr %capsule, null
  br i1 %alive, label %live, label %dead
live:
  %ctx = get ptr, %capsule, CAPSULE_POINTER
  %given = and i64 %nargsf, 9223372036854775807
  %watch = get ptr, %ctx, WATCH
  %alone = icmp eq ptr %watch, null
  br i1 %alone, label %own, label %sibling
sibling:
  %taken = call i1 @entry_sibling(ptr %ctx, ptr %args, i64 %given, ptr %kwnames, ptr %result)
  br i1 %taken, label %finished, label %own
own:
  %bytes = get i64, %ctx, FRAME_BYTES
  %small = icmp ule i64 %bytes, $STACK_FRAME_LIMIT
  br i1 %small, label %stack, label %heap
stack:
  %frame = alloca i8, i64 %bytes, align 16
  %stack.answered = call i1 @answer(ptr %ctx, ptr %frame, ptr %args, i64 %given, ptr %kwnames, ptr %result)
  br i1 %stack.answered, label %finished, label %slow
heap:
  %block = call ptr @tensorc_alloc(i64 %bytes)
  %full = icmp eq ptr %block, null
  br i1 %full, label %memory, label %heap.call
heap.call:
  %heap.answered = call i1 @answer(ptr %ctx, ptr %block, ptr %args, i64 %given, ptr %kwnames, ptr %result)
  call void @tensorc_free(ptr %block)
  br i1 %heap.answered, label %finished, label %slow
finished:
  %answer = load ptr, ptr %result
  ret ptr %answer
memory:
  call ptr @PyErr_NoMemory()
  ret ptr null
slow:
  %python = get ptr, %self, FUNCTION_SLOW
  %strict = icmp eq ptr %python, null
  br i1 %strict, label %refuse, label %convert
convert:
  %slow.n = get i64, %ctx, COUNT_SLOW
  %slow.next = add i64 %slow.n, 1
  put i64 %slow.next, %ctx, COUNT_SLOW
  %converted = call ptr @PyObject_Vectorcall(ptr %python, ptr %args, i64 %given, ptr %kwnames)
  ret ptr %converted
refuse:
  %name = get ptr, %ctx, NAME
  %type.error = load ptr, ptr @PyExc_TypeError
  call ptr (ptr, ptr, ...) @PyErr_Format(ptr %type.error, ptr @text.foreign, ptr %name, i64 %given)
  ret ptr null
dead:
  %system = load ptr, ptr @PyExc_SystemError
  call ptr (ptr, ptr, ...) @PyErr_Format(ptr %system, ptr @text.released)
  ret ptr null
}

; What CPython calls when a function is called that may have several bodies. Its slot `_direct` holds the compiled function
; to try first. One with a `_form` is for calls of that form: it gets the leaves, and its own slot `_direct` holds the
; next to try. One without is the last, and its slow path comes back to Python for the choice. Each is held meanwhile,
; because slots may be exchanged; which may even make a ring of them, so only so many are tried.
define ptr @tensorc_dispatch(ptr %self, ptr %args, i64 %nargsf, ptr %kwnames) {
entry:
  %given = and i64 %nargsf, 9223372036854775807
  %first = get ptr, %self, FUNCTION_DIRECT
  %known = icmp ne ptr %first, null
  br i1 %known, label %begin, label %choose
begin:
  call void @Py_IncRef(ptr %first)
  br label %try
try:
  %function = phi ptr [ %first, %begin ], [ %following, %go.on ]
  %tried = phi i64 [ 1, %begin ], [ %tried.next, %go.on ]
  %form = get ptr, %function, FUNCTION_FORM
  %as.given = icmp eq ptr %form, null
  br i1 %as.given, label %whole, label %apart
whole:
  %answer = call ptr @tensorc_call(ptr %function, ptr %args, i64 %nargsf, ptr %kwnames)
  call void @Py_DecRef(ptr %function)
  ret ptr %answer
apart:
  %words = call ptr @PyBytes_AsString(ptr %form)
  %n.leaves = load i64, ptr %words
  %leaves = alloca ptr, i64 %n.leaves
  %took = call i1 @entry_take(ptr %words, ptr %leaves, ptr %args, i64 %given, ptr %kwnames)
  br i1 %took, label %flat, label %other
flat:
  %flat.answer = call ptr @tensorc_call(ptr %function, ptr %leaves, i64 %n.leaves, ptr null)
  call void @entry_drop(ptr %leaves, i64 %n.leaves)
  call void @Py_DecRef(ptr %function)
  ret ptr %flat.answer
other:
  %following = get ptr, %function, FUNCTION_DIRECT
  %exists = icmp ne ptr %following, null
  %few = icmp ult i64 %tried, $MOST_TRIED
  %further = and i1 %exists, %few
  br i1 %further, label %go.on, label %last
go.on:
  call void @Py_IncRef(ptr %following)
  call void @Py_DecRef(ptr %function)
  %tried.next = add i64 %tried, 1
  br label %try
last:
  call void @Py_DecRef(ptr %function)
  br label %choose
choose:
  %python = get ptr, %self, FUNCTION_SLOW
  %alive = icmp ne ptr %python, null
  br i1 %alive, label %slow, label %dead
slow:
  %chosen = call ptr @PyObject_Vectorcall(ptr %python, ptr %args, i64 %given, ptr %kwnames)
  ret ptr %chosen
dead:
  %system = load ptr, ptr @PyExc_SystemError
  call ptr (ptr, ptr, ...) @PyErr_Format(ptr %system, ptr @text.released)
  ret ptr null
}
