; The native entry: arguments by name, defaults, Python numbers, and arrays to write results into. See entry.ll.
;
; Nothing here raises: what does not fit exactly goes to the Python slow path, which words the errors.

@PyFloat_Type = external global i8
@PyLong_Type = external global i8
@PyBool_Type = external global i8
@PyTuple_Type = external global i8
@_Py_TrueStruct = external global i8
@tensorc_float64_type = external global i8

declare void @Py_IncRef(ptr)
declare i64 @PyTuple_Size(ptr)
declare ptr @PyTuple_GetItem(ptr, i64)
declare double @PyFloat_AsDouble(ptr)
declare i64 @PyLong_AsLongLongAndOverflow(ptr, ptr)
declare i64 @llvm.smin.i64(i64, i64)
declare i64 @llvm.smax.i64(i64, i64)

; In entry.ll and entry_rare.ll.
declare i64 @entry_describe(ptr, ptr, ptr, ptr, i64)
declare void @entry_drop(ptr, i64)

; The arguments in order, in the frame, from %given by position, others by name, the rest by default; null if that is not
; possible. Names are compared by identity: those in a program's text are interned, and so are those of parameters.
define ptr @entry_bind(ptr %ctx, ptr %frame, ptr %args, i64 %given, ptr %kwnames) {
entry:
  %n = get i64, %ctx, N_INPUTS
  %at = get i64, %ctx, BOUND_AT
  %bound = getelementptr i8, ptr %frame, i64 %at
  %too.many = icmp ugt i64 %given, %n
  br i1 %too.many, label %fail, label %copy
copy:
  %k = phi i64 [ 0, %entry ], [ %k.next, %copied ]
  %in.order = icmp ult i64 %k, %n
  br i1 %in.order, label %one, label %names
one:
  %by.position = icmp ult i64 %k, %given
  %source = getelementptr ptr, ptr %args, i64 %k
  br i1 %by.position, label %positional, label %empty
positional:
  %argument = load ptr, ptr %source
  br label %copied
empty:
  br label %copied
copied:
  %value = phi ptr [ %argument, %positional ], [ null, %empty ]
  %slot = getelementptr ptr, ptr %bound, i64 %k
  store ptr %value, ptr %slot
  %k.next = add i64 %k, 1
  br label %copy
names:
  %plain = icmp eq ptr %kwnames, null
  br i1 %plain, label %defaults, label %named
named:
  %count = call i64 @PyTuple_Size(ptr %kwnames)
  br label %next
next:
  %j = phi i64 [ 0, %named ], [ %j.next, %placed ]
  %more = icmp slt i64 %j, %count
  br i1 %more, label %look, label %defaults
look:
  %name = call ptr @PyTuple_GetItem(ptr %kwnames, i64 %j)
  %index = add i64 %given, %j
  %given.p = getelementptr ptr, ptr %args, i64 %index
  %object = load ptr, ptr %given.p
  %out.name = get ptr, %ctx, OUT_NAME
  %is.out = icmp eq ptr %name, %out.name
  br i1 %is.out, label %out, label %search
out:
  %taken = call i1 @take_out(ptr %ctx, ptr %frame, ptr %object)
  br i1 %taken, label %placed, label %fail
search:
  %parameters = get ptr, %ctx, NAMES
  br label %compare
compare:
  %p = phi i64 [ %given, %search ], [ %p.next, %other ]
  %left = icmp ult i64 %p, %n
  br i1 %left, label %test, label %fail
test:
  %name.p = getelementptr ptr, ptr %parameters, i64 %p
  %parameter = load ptr, ptr %name.p
  %same = icmp eq ptr %parameter, %name
  br i1 %same, label %put, label %other
other:
  %p.next = add i64 %p, 1
  br label %compare
put:
  %place = getelementptr ptr, ptr %bound, i64 %p
  store ptr %object, ptr %place
  br label %placed
placed:
  %j.next = add i64 %j, 1
  br label %next
defaults:
  %values = get ptr, %ctx, DEFAULTS
  br label %fill
fill:
  %d = phi i64 [ %given, %defaults ], [ %d.next, %filled ]
  %unfilled = icmp ult i64 %d, %n
  br i1 %unfilled, label %check, label %done
check:
  %bound.p = getelementptr ptr, ptr %bound, i64 %d
  %there = load ptr, ptr %bound.p
  %missing = icmp eq ptr %there, null
  br i1 %missing, label %default, label %filled
default:
  %default.p = getelementptr ptr, ptr %values, i64 %d
  %default.value = load ptr, ptr %default.p
  store ptr %default.value, ptr %bound.p
  %none = icmp eq ptr %default.value, null
  br i1 %none, label %fail, label %filled
filled:
  %d.next = add i64 %d, 1
  br label %fill
done:
  ret ptr %bound
fail:
  ret ptr null
}

; Note the arrays of `out=`: one for a single result, else a tuple of one for every result.
define internal i1 @take_out(ptr %ctx, ptr %frame, ptr %object) {
entry:
  %n = get i64, %ctx, N_RESULTS
  %inputs = get i64, %ctx, N_INPUTS
  %at = get i64, %ctx, BOUND_AT
  %bound = getelementptr i8, ptr %frame, i64 %at
  %targets = getelementptr ptr, ptr %bound, i64 %inputs
  %type = get ptr, %object, OBJECT_TYPE
  %several = icmp eq ptr %type, @PyTuple_Type
  br i1 %several, label %tuple, label %single
single:
  %one = icmp eq i64 %n, 1
  store ptr %object, ptr %targets           ; there is always room for one
  br i1 %one, label %done, label %fail
tuple:
  %size = call i64 @PyTuple_Size(ptr %object)
  %fits = icmp eq i64 %size, %n
  br i1 %fits, label %next, label %fail
next:
  %k = phi i64 [ 0, %tuple ], [ %k.next, %put ]
  %more = icmp ult i64 %k, %n
  br i1 %more, label %put, label %done
put:
  %item = call ptr @PyTuple_GetItem(ptr %object, i64 %k)
  %slot = getelementptr ptr, ptr %targets, i64 %k
  store ptr %item, ptr %slot
  %k.next = add i64 %k, 1
  br label %next
done:
  put ptr %targets, %frame, FRAME_OUTS
  ret i1 true
fail:
  ret i1 false
}

; Describe a Python number as an array of no axes: its value stands behind the descriptor. Answers as @native_form.
define i64 @entry_scalar(ptr %obj, ptr %spec, ptr %desc) {
entry:
  %overflow = alloca i32
  %data = getelementptr i8, ptr %desc, i64 $DESC_SIZES
  put ptr %data, %desc, DESC_ALLOCATED
  put ptr %data, %desc, DESC_ALIGNED
  put i64 0, %desc, DESC_OFFSET
  %kind = get i64, %spec, SPEC_SCALAR
  %type = get ptr, %obj, OBJECT_TYPE
  switch i64 %kind, label %fail [
    i64 $SCALAR_F64, label %floating
    i64 $SCALAR_F32, label %floating
    i64 $SCALAR_I64, label %integer
    i64 $SCALAR_BOOL, label %boolean ]
floating:
  %python = icmp eq ptr %type, @PyFloat_Type
  %numpy = icmp eq ptr %type, @tensorc_float64_type
  %double = icmp eq i64 %kind, $SCALAR_F64
  %exact = and i1 %numpy, %double
  %is.float = or i1 %python, %exact
  br i1 %is.float, label %read, label %whole
read:
  %value = call double @PyFloat_AsDouble(ptr %obj)
  br label %store.float
whole:
  %is.int = icmp eq ptr %type, @PyLong_Type
  br i1 %is.int, label %read.whole, label %fail
read.whole:
  %long = call i64 @PyLong_AsLongLongAndOverflow(ptr %obj, ptr %overflow)
  %over = load i32, ptr %overflow
  %held = icmp eq i32 %over, 0
  %up = add i64 %long, 9007199254740992
  %near = icmp ule i64 %up, 18014398509481984
  %safe = and i1 %held, %near
  %converted = sitofp i64 %long to double
  br i1 %safe, label %store.float, label %fail
store.float:
  %number = phi double [ %value, %read ], [ %converted, %read.whole ]
  br i1 %double, label %store.f64, label %store.f32
store.f64:
  store double %number, ptr %data
  ret i64 17
store.f32:
  %single = fptrunc double %number to float
  store float %single, ptr %data
  ret i64 9
integer:
  %an.int = icmp eq ptr %type, @PyLong_Type
  br i1 %an.int, label %read.integer, label %fail
read.integer:
  %integer.value = call i64 @PyLong_AsLongLongAndOverflow(ptr %obj, ptr %overflow)
  %integer.over = load i32, ptr %overflow
  %in.range = icmp eq i32 %integer.over, 0
  br i1 %in.range, label %store.integer, label %fail
store.integer:
  store i64 %integer.value, ptr %data
  ret i64 17
boolean:
  %a.bool = icmp eq ptr %type, @PyBool_Type
  br i1 %a.bool, label %store.boolean, label %fail
store.boolean:
  %truth = icmp eq ptr %obj, @_Py_TrueStruct
  %byte = zext i1 %truth to i8
  store i8 %byte, ptr %data
  ret i64 3
fail:
  ret i64 -1
}

; Take the arrays of `out=` as the results, if the body cannot fail once it writes, and each is in native form, contiguous,
; writable, of the right extents, and apart from the arguments and the other results. Returns the extents that follow
; those of the results; or null, and has taken nothing.
define ptr @entry_place(ptr %ctx, ptr %frame, ptr %pointers, ptr %outs, ptr %extents) {
entry:
  %given = get ptr, %frame, FRAME_OUTS
  %n = get i64, %ctx, N_RESULTS
  %specs = get ptr, %ctx, OUTPUT_SPECS
  %first = get i64, %ctx, N_ARGUMENTS
  %n.extents = get i64, %ctx, N_EXTENTS
  %notes.p = getelementptr i64, ptr %extents, i64 %n.extents
  %notes = load i64, ptr %notes.p
  %sure.bit = and i64 %notes, $NOTE_SURE
  %sure = icmp ne i64 %sure.bit, 0
  br i1 %sure, label %next, label %refuse
refuse:
  ret ptr null
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %taken ]
  %dims = phi ptr [ %extents, %entry ], [ %dims.next, %taken ]
  %more = icmp ult i64 %k, %n
  br i1 %more, label %one, label %done
one:
  %at = mul i64 %k, $SPEC_BYTES
  %spec = getelementptr i8, ptr %specs, i64 %at
  %object.p = getelementptr ptr, ptr %given, i64 %k
  %object = load ptr, ptr %object.p
  %index = add i64 %first, %k
  %slot = getelementptr ptr, ptr %pointers, i64 %index
  %form = call i64 @entry_describe(ptr %spec, ptr %frame, ptr %slot, ptr %object.p, i64 1)
  %contiguous.bit = and i64 %form, 1
  %native = icmp sge i64 %form, 0
  %contiguous.wide = icmp ne i64 %contiguous.bit, 0
  %plain = and i1 %native, %contiguous.wide
  br i1 %plain, label %flags, label %fail
flags:
  %bits = get i32, %object, ARRAY_FLAGS
  %writable.bit = and i32 %bits, $NPY_WRITEABLE
  %writable = icmp ne i32 %writable.bit, 0
  br i1 %writable, label %sizes, label %fail
sizes:
  %place = get i64, %spec, SPEC_PLACE
  %desc = getelementptr i8, ptr %frame, i64 %place
  %nd = get i64, %spec, SPEC_ND
  %have = getelementptr i8, ptr %desc, i64 $DESC_SIZES
  br label %axes
axes:
  %axis = phi i64 [ 0, %sizes ], [ %axis.next, %equal ]
  %unchecked = icmp ult i64 %axis, %nd
  br i1 %unchecked, label %compare, label %apart
compare:
  %want.p = getelementptr i64, ptr %dims, i64 %axis
  %have.p = getelementptr i64, ptr %have, i64 %axis
  %want = load i64, ptr %want.p
  %has = load i64, ptr %have.p
  %axis.next = add i64 %axis, 1
  %agrees = icmp eq i64 %want, %has
  br i1 %agrees, label %equal, label %fail
equal:
  br label %axes
apart:
  %inputs = get i64, %ctx, N_INPUTS
  %input.specs = get ptr, %ctx, INPUT_SPECS
  %from.inputs = call i1 @entry_meets(ptr %spec, ptr %desc, ptr %input.specs, ptr %pointers, i64 %inputs)
  br i1 %from.inputs, label %fail, label %others
others:
  %out.pointers = getelementptr ptr, ptr %pointers, i64 %first
  %from.outs = call i1 @entry_meets(ptr %spec, ptr %desc, ptr %specs, ptr %out.pointers, i64 %k)
  br i1 %from.outs, label %fail, label %taken
taken:
  call void @Py_IncRef(ptr %object)
  %out = getelementptr ptr, ptr %outs, i64 %k
  store ptr %object, ptr %out
  %dims.next = getelementptr i64, ptr %dims, i64 %nd
  %k.next = add i64 %k, 1
  br label %next
done:
  ret ptr %dims
fail:
  call void @entry_drop(ptr %outs, i64 %k)
  ret ptr null
}

; Whether the bytes an array spans meet those of one of %n others.
define i1 @entry_meets(ptr %spec, ptr %desc, ptr %specs, ptr %descs, i64 %n) {
entry:
  %low.p = alloca i64
  %high.p = alloca i64
  call void @span(ptr %spec, ptr %desc, ptr %low.p, ptr %high.p)
  %low = load i64, ptr %low.p
  %high = load i64, ptr %high.p
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %one ]
  %more = icmp ult i64 %k, %n
  br i1 %more, label %one, label %apart
one:
  %at = mul i64 %k, $SPEC_BYTES
  %spec.k = getelementptr i8, ptr %specs, i64 %at
  %desc.p = getelementptr ptr, ptr %descs, i64 %k
  %desc.k = load ptr, ptr %desc.p
  call void @span(ptr %spec.k, ptr %desc.k, ptr %low.p, ptr %high.p)
  %low.k = load i64, ptr %low.p
  %high.k = load i64, ptr %high.p
  %before = icmp ule i64 %high.k, %low
  %after = icmp uge i64 %low.k, %high
  %clear = or i1 %before, %after
  %k.next = add i64 %k, 1
  br i1 %clear, label %next, label %meet
meet:
  ret i1 true
apart:
  ret i1 false
}

; The first byte of an array, and the one after its last; both 0 for an array without elements.
define internal void @span(ptr %spec, ptr %desc, ptr %low.p, ptr %high.p) {
entry:
  %nd = get i64, %spec, SPEC_ND
  %shift = get i64, %spec, SPEC_SHIFT
  %data.p = get ptr, %desc, DESC_ALIGNED
  %data = ptrtoint ptr %data.p to i64
  %sizes = getelementptr i8, ptr %desc, i64 $DESC_SIZES
  %strides = getelementptr i64, ptr %sizes, i64 %nd
  %item = shl i64 1, %shift
  %end = add i64 %data, %item
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %some ]
  %low = phi i64 [ %data, %entry ], [ %low.next, %some ]
  %high = phi i64 [ %end, %entry ], [ %high.next, %some ]
  %more = icmp ult i64 %k, %nd
  br i1 %more, label %one, label %done
one:
  %size.p = getelementptr i64, ptr %sizes, i64 %k
  %size = load i64, ptr %size.p
  %none = icmp eq i64 %size, 0
  br i1 %none, label %done, label %some
some:
  %stride.p = getelementptr i64, ptr %strides, i64 %k
  %stride = load i64, ptr %stride.p
  %last = sub i64 %size, 1
  %elements = mul i64 %last, %stride
  %reach = shl i64 %elements, %shift
  %down = call i64 @llvm.smin.i64(i64 %reach, i64 0)
  %up = call i64 @llvm.smax.i64(i64 %reach, i64 0)
  %low.next = add i64 %low, %down
  %high.next = add i64 %high, %up
  %k.next = add i64 %k, 1
  br label %next
done:
  %low.found = phi i64 [ %low, %next ], [ 0, %one ]
  %high.found = phi i64 [ %high, %next ], [ 0, %one ]
  store i64 %low.found, ptr %low.p
  store i64 %high.found, ptr %high.p
  ret void
}
