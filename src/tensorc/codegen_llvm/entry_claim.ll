; The native entry: updates written over the memory of their cells, and results over that of mutable arguments. See entry.ll, and ops/loops/claims.py.
;
; A body calls @tensorc_claim when all that may fail is behind it and nothing is written. From then to the commit the call holds
; the GIL and runs no Python code: nobody can look at a cell, set it, or fork. An array is written over if the cell and
; this call are all that refer to it, and it is the owner of its memory; if it is not, the update gets an array of its
; own, as it would without a claim.

@tensorc_threads = external global i64
@tensorc_ndarray_type = external global i8

declare void @Py_IncRef(ptr)
declare i32 @PyErr_CheckSignals()
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyList_GetItem(ptr, i64)

; In entry.ll, entry_bind.ll and threads.ll.
declare i64 @entry_bytes_of(ptr, i64, i64)
declare ptr @entry_new_array(ptr, ptr, i64)
declare i1 @entry_start_threads(ptr)
declare i1 @entry_meets(ptr, ptr, ptr, ptr, i64)

; 0: every claimed output has an array; 4: an exception is set; 5: a cell was written since this call has read it.
define i32 @tensorc_claim(ptr %record, i64 %work) {
entry:
  %ctx = get ptr, %record, POLL_CONTEXT
  %nothing = icmp eq ptr %ctx, null
  br i1 %nothing, label %settled, label %begin
settled:
  ret i32 0
begin:
  %frame = get ptr, %record, POLL_FRAME
  %before = get i64, %record, POLL_HAS_GIL
  %held = icmp ne i64 %before, 0
  br i1 %held, label %look, label %take                 ; held until now: the call is a short one
take:
  %thread = get ptr, %record, POLL_THREAD
  call void @PyEval_RestoreThread(ptr %thread)
  put i64 $GIL_KEPT, %record, POLL_HAS_GIL
  %status = call i32 @PyErr_CheckSignals()
  %quiet = icmp eq i32 %status, 0
  br i1 %quiet, label %threads, label %raised
threads:
  %ready = call i1 @start_threads(ptr %record, i64 %work)
  br i1 %ready, label %look, label %raised
raised:
  ret i32 4
look:
  %now = call i32 @unchanged(ptr %ctx, ptr %frame)
  %same = icmp eq i32 %now, 0
  br i1 %same, label %choose, label %changed
changed:
  ret i32 %now
choose:
  %little = icmp ule i64 %work, $CLAIM_LIMIT
  %over = call i64 @choose_arrays(ptr %ctx, ptr %record, i1 %little)
  %failed = icmp slt i64 %over, 0
  br i1 %failed, label %raised, label %chosen
chosen:
  %some = icmp ne i64 %over, 0
  br i1 %some, label %keep, label %none
keep:
  %to.the.end = or i64 %before, $GIL_KEPT
  put i64 %to.the.end, %record, POLL_HAS_GIL
  br label %settled
none:
  br i1 %held, label %settled, label %give
give:
  put i64 0, %record, POLL_HAS_GIL
  %saved = call ptr @PyEval_SaveThread()
  put ptr %saved, %record, POLL_THREAD
  br label %settled
}

; Threads that may be wanted are started now: afterwards Python must not run. False: an exception is set.
define internal i1 @start_threads(ptr %record, i64 %work) {
entry:
  %state = load atomic i64, ptr @tensorc_threads acquire, align 8
  %unknown = icmp eq i64 %state, $THREADS_UNKNOWN
  %much = icmp ugt i64 %work, $THREADS_FROM
  %start = and i1 %unknown, %much
  br i1 %start, label %now, label %done
now:
  %raised = call i1 @entry_start_threads(ptr %record)
  br i1 %raised, label %fail, label %done
done:
  ret i1 true
fail:
  ret i1 false
}

; As @tensorc_commit will look: 0 if all cells hold what was read, 4 with an exception set if one is empty, else 5.
define internal i32 @unchanged(ptr %ctx, ptr %frame) {
entry:
  %n = get i64, %ctx, N_CELLS
  %cells = get ptr, %ctx, CELLS
  %refs.at = get i64, %ctx, REFS_AT
  %refs = getelementptr i8, ptr %frame, i64 %refs.at
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %same ]
  %more = icmp ult i64 %k, %n
  br i1 %more, label %one, label %done
one:
  %cell.p = getelementptr ptr, ptr %cells, i64 %k
  %cell = load ptr, ptr %cell.p
  %now = call ptr @PyList_GetItem(ptr %cell, i64 0)
  %ref.p = getelementptr ptr, ptr %refs, i64 %k
  %ref = load ptr, ptr %ref.p
  %unchanged = icmp eq ptr %now, %ref
  br i1 %unchanged, label %same, label %other
same:
  %k.next = add i64 %k, 1
  br label %next
other:
  %emptied = icmp eq ptr %now, null
  %code = select i1 %emptied, i32 4, i32 $OVERTAKEN
  ret i32 %code
done:
  ret i32 0
}

; Give every claimed output its array, the cell's own where that is %allowed and possible. Returns for how many it is; or -1 with
; an exception set.
define internal i64 @choose_arrays(ptr %ctx, ptr %record, i1 %allowed) {
entry:
  %frame = get ptr, %record, POLL_FRAME
  %refs.at = get i64, %ctx, REFS_AT
  %refs = getelementptr i8, ptr %frame, i64 %refs.at
  %n.cells = get i64, %ctx, N_CELLS
  %outs = getelementptr ptr, ptr %refs, i64 %n.cells
  %n = get i64, %ctx, N_OUTPUTS
  %specs = get ptr, %ctx, OUTPUT_SPECS
  %n.inputs = get i64, %ctx, N_INPUTS
  %args = get ptr, %record, POLL_ARGS
  %extents.at = get i64, %ctx, EXTENTS_AT
  %extents = getelementptr i8, ptr %frame, i64 %extents.at
  %n.extents = get i64, %ctx, N_EXTENTS
  %notes = getelementptr i64, ptr %extents, i64 %n.extents
  %overs = getelementptr i64, ptr %notes, i64 1
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %following ]
  %count = phi i64 [ 0, %entry ], [ %count.next, %following ]
  %more = icmp ult i64 %k, %n
  br i1 %more, label %one, label %done
one:
  %out.p = getelementptr ptr, ptr %outs, i64 %k
  %there = load ptr, ptr %out.p
  %claimed = icmp eq ptr %there, null
  br i1 %claimed, label %judge, label %following
judge:
  %number.p = getelementptr i64, ptr %overs, i64 %k
  %number = load i64, ptr %number.p
  %is.input = icmp ult i64 %number, %n.inputs
  %cell = sub i64 %number, %n.inputs
  %holders = select i1 %is.input, ptr %args, ptr %refs
  %which = select i1 %is.input, i64 %number, i64 %cell
  %old.p = getelementptr ptr, ptr %holders, i64 %which
  %old = load ptr, ptr %old.p
  %at = mul i64 %k, $SPEC_BYTES
  %spec = getelementptr i8, ptr %specs, i64 %at
  %nd = get i64, %spec, SPEC_ND
  %place = get i64, %spec, SPEC_PLACE
  %desc = getelementptr i8, ptr %frame, i64 %place
  %dims = getelementptr i8, ptr %desc, i64 $DESC_SIZES
  br i1 %is.input, label %argument, label %own
argument:
  %lent = call i1 @is_lent(ptr %ctx, ptr %frame, i64 %number, ptr %old, ptr %dims, i64 %nd)
  br label %judged
own:
  %alone = call i1 @is_free(ptr %old, ptr %dims, i64 %nd)
  br label %judged
judged:
  %free = phi i1 [ %lent, %argument ], [ %alone, %own ]
  %over = and i1 %free, %allowed
  br i1 %over, label %reuse, label %new
reuse:
  call void @Py_IncRef(ptr %old)
  br label %ready
new:
  %shift = get i64, %spec, SPEC_SHIFT
  %room = call i64 @entry_bytes_of(ptr %dims, i64 %nd, i64 %shift)
  %fresh = call ptr @entry_new_array(ptr %spec, ptr %dims, i64 %room)
  %failed = icmp eq ptr %fresh, null
  br i1 %failed, label %fail, label %ready
ready:
  %array = phi ptr [ %old, %reuse ], [ %fresh, %new ]
  %more.over = phi i64 [ 1, %reuse ], [ 0, %new ]
  %count.more = add i64 %count, %more.over
  store ptr %array, ptr %out.p
  %data = get ptr, %array, ARRAY_DATA
  put ptr %data, %desc, DESC_ALLOCATED
  put ptr %data, %desc, DESC_ALIGNED
  br label %following
following:
  %count.next = phi i64 [ %count, %one ], [ %count.more, %ready ]
  %k.next = add i64 %k, 1
  br label %next
done:
  ret i64 %count
fail:
  ret i64 -1
}

; Whether nobody but a cell and this call has an array, which owns its memory and has these extents.
define internal i1 @is_free(ptr %array, ptr %dims, i64 %nd) {
entry:
  %references = get i32, %array, OBJECT_REFERENCES
  %two = icmp eq i32 %references, 2
  %weak = get ptr, %array, ARRAY_WEAK
  %unwatched = icmp eq ptr %weak, null
  %base = get ptr, %array, ARRAY_BASE
  %own = icmp eq ptr %base, null
  %flags = get i32, %array, ARRAY_FLAGS
  %wanted = and i32 %flags, $ARRAY_OWN
  %all = icmp eq i32 %wanted, $ARRAY_OWN
  %alone = and i1 %two, %unwatched
  %owner = and i1 %own, %all
  %free = and i1 %alone, %owner
  %fits = call i1 @has_extents(ptr %array, ptr %dims, i64 %nd)
  %answer = and i1 %free, %fits
  ret i1 %answer
}

; Whether argument %number, which the function may overwrite, is a contiguous and writable array of these extents, apart
; from all other arguments.
define internal i1 @is_lent(ptr %ctx, ptr %frame, i64 %number, ptr %array, ptr %dims, i64 %nd) {
entry:
  %type = get ptr, %array, OBJECT_TYPE
  %exact = icmp eq ptr %type, @tensorc_ndarray_type
  br i1 %exact, label %look, label %refuse
refuse:
  ret i1 false
look:
  %flags = get i32, %array, ARRAY_FLAGS
  %wanted = and i32 %flags, $ARRAY_LENT
  %all = icmp eq i32 %wanted, $ARRAY_LENT
  %fits = call i1 @has_extents(ptr %array, ptr %dims, i64 %nd)
  %good = and i1 %all, %fits
  br i1 %good, label %apart, label %refuse
apart:
  %specs = get ptr, %ctx, INPUT_SPECS
  %at = mul i64 %number, $SPEC_BYTES
  %spec = getelementptr i8, ptr %specs, i64 %at
  %descs = getelementptr i8, ptr %frame, i64 $FRAME_HEAD
  %desc.p = getelementptr ptr, ptr %descs, i64 %number
  %desc = load ptr, ptr %desc.p
  %before = call i1 @entry_meets(ptr %spec, ptr %desc, ptr %specs, ptr %descs, i64 %number)
  %next.spec = getelementptr i8, ptr %spec, i64 $SPEC_BYTES
  %next.desc = getelementptr ptr, ptr %desc.p, i64 1
  %n.inputs = get i64, %ctx, N_INPUTS
  %n.cells = get i64, %ctx, N_CELLS
  %n = add i64 %n.inputs, %n.cells
  %others = sub i64 %n, %number
  %rest = sub i64 %others, 1
  %after = call i1 @entry_meets(ptr %spec, ptr %desc, ptr %next.spec, ptr %next.desc, i64 %rest)
  %met = or i1 %before, %after
  %alone = xor i1 %met, true
  ret i1 %alone
}

define internal i1 @has_extents(ptr %array, ptr %dims, i64 %nd) {
entry:
  %have = get ptr, %array, ARRAY_DIMENSIONS
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %one ]
  %good = phi i1 [ true, %entry ], [ %good.next, %one ]
  %more = icmp ult i64 %k, %nd
  br i1 %more, label %one, label %done
one:
  %have.p = getelementptr i64, ptr %have, i64 %k
  %dim = load i64, ptr %have.p
  %want.p = getelementptr i64, ptr %dims, i64 %k
  %want = load i64, ptr %want.p
  %equal = icmp eq i64 %dim, %want
  %good.next = and i1 %good, %equal
  %k.next = add i64 %k, 1
  br label %next
done:
  ret i1 %good
}
