; Memory for the temporaries of bodies and for large results; the abbreviations are those of entry.ll.
;
; Blocks from $KEEP_FROM bytes on are kept when they are freed, up to $FIGURE_LIMIT bytes together, so that the next call
; finds memory whose pages are there already. A block is followed back by two words: where it begins for the system, and
; its capacity, which alone decides how it was taken and how it is given back: below $KEEP_FROM malloc and free; from there
; kept, and malloc; from $MAP_FROM kept, and a mapping of its own (memory_linux.ll).
;
; The table of kept blocks is behind a lock that is held for some hundred instructions and never while the system is
; asked. Whoever does not get it soon (its holder has lost the CPU, or was another thread of a process that forked) does
; without kept blocks this once: nobody ever waits. Of its places the first @used have ever had a block.

@lock = internal global i32 0
@kept = internal global [$SLOTS x ptr] zeroinitializer
@ages = internal global [$SLOTS x i64] zeroinitializer
@used = internal global i64 0
@tensorc_memory_figures = global [$FIGURES x i64] zeroinitializer
@tensorc_memory_handler = global ptr null

declare ptr @malloc(i64)
declare void @free(ptr)
declare ptr @memory_map(i64)
declare void @memory_unmap(ptr, i64)
declare i64 @llvm.ctlz.i64(i64, i1)
declare i64 @llvm.umin.i64(i64, i64)
declare i64 @llvm.umax.i64(i64, i64)
declare { i64, i1 } @llvm.umul.with.overflow.i64(i64, i64)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)

; --------------------------------------------------------------------------------------------- the interface

; 64-byte aligned memory; null if there is none (also for a negative size): a body then frees what it holds and returns 3.
define ptr @tensorc_alloc(i64 %bytes) {
entry:
  %little = icmp ult i64 %bytes, $KEEP_FROM
  br i1 %little, label %small, label %large
small:
  %plain = call ptr @take_plain(i64 %bytes)
  ret ptr %plain
large:
  %sane = icmp ult i64 %bytes, 4611686018427387904
  br i1 %sane, label %reuse, label %none
reuse:
  %found = call ptr @take_kept(i64 %bytes)
  %missing = icmp eq ptr %found, null
  br i1 %missing, label %fresh, label %done
fresh:
  %new = call ptr @take_fresh(i64 %bytes)
  %full = icmp eq ptr %new, null
  br i1 %full, label %shrink, label %done
shrink:
  call void @tensorc_memory_release()
  %last = call ptr @take_fresh(i64 %bytes)
  br label %done
done:
  %block = phi ptr [ %found, %reuse ], [ %new, %fresh ], [ %last, %shrink ]
  ret ptr %block
none:
  ret ptr null
}

define void @tensorc_free(ptr %block) {
entry:
  %nothing = icmp eq ptr %block, null
  br i1 %nothing, label %done, label %some
some:
  %capacity = get i64, %block, BLOCK_CAPACITY
  %little = icmp ult i64 %capacity, $KEEP_FROM
  br i1 %little, label %small, label %large
small:
  %start = get ptr, %block, BLOCK_START
  call void @free(ptr %start)
  ret void
large:
  %rest = call ptr @keep(ptr %block, i64 %capacity)
  call void @give_back(ptr %rest)
  br label %done
done:
  ret void
}

; Give all kept blocks back to the system.
define void @tensorc_memory_release() {
entry:
  %got = call i1 @acquire()
  br i1 %got, label %empty, label %done
empty:
  %chain = call ptr @evict(i64 0, i64 0)
  call void @release()
  call void @give_back(ptr %chain)
  br label %done
done:
  ret void
}

; Before a process forks the table is held, in both processes it is let go. 1: held.
define i32 @tensorc_memory_hold(i32 %on) {
entry:
  %begin = icmp ne i32 %on, 0
  br i1 %begin, label %take, label %let
take:
  %got = call i1 @acquire()
  %answer = zext i1 %got to i32
  ret i32 %answer
let:
  call void @release()
  ret i32 0
}

; ----------------------------------------------------------------------------------------- from the system

; A block in memory of malloc, of this capacity.
define internal ptr @take_plain(i64 %bytes) {
entry:
  %room = add i64 %bytes, 80
  %start = call ptr @malloc(i64 %room)
  %none = icmp eq ptr %start, null
  br i1 %none, label %done, label %some
some:
  %address = ptrtoint ptr %start to i64
  %after = add i64 %address, 79
  %aligned = and i64 %after, -64
  %block = inttoptr i64 %aligned to ptr
  put ptr %start, %block, BLOCK_START
  put i64 %bytes, %block, BLOCK_CAPACITY
  br label %done
done:
  %found = phi ptr [ null, %entry ], [ %block, %some ]
  ret ptr %found
}

; A large block from the system. Its capacity is rounded up by a sixteenth at most, so that it serves the next size, too:
; what nobody touches takes no memory. Where mapped blocks begin within their first page differs: arrays that are read
; and written together would compete for the same sets of the caches otherwise.
define internal ptr @take_fresh(i64 %bytes) {
entry:
  %counter = getelementptr i8, ptr @tensorc_memory_figures, i64 $FIGURE_FRESH
  %number = atomicrmw add ptr %counter, i64 1 monotonic
  %zeros = call i64 @llvm.ctlz.i64(i64 %bytes, i1 true)
  %log = sub i64 59, %zeros
  %grain = shl i64 1, %log
  %less = sub i64 %grain, 1
  %more = add i64 %bytes, %less
  %inverse = sub i64 0, %grain
  %rounded = and i64 %more, %inverse
  %mapped = icmp uge i64 %rounded, $MAP_FROM
  br i1 %mapped, label %map, label %plain
plain:
  %block = call ptr @take_plain(i64 %rounded)
  ret ptr %block
map:
  %turn = and i64 %number, 15
  %colour = mul i64 %turn, 320
  %head = add i64 %colour, 64
  %needed = add i64 %rounded, %head
  %up = add i64 %needed, 65599
  %total = and i64 %up, -65536
  %start = call ptr @memory_map(i64 %total)
  %none = icmp eq ptr %start, null
  br i1 %none, label %fail, label %made
made:
  %start.address = ptrtoint ptr %start to i64
  %block.least = add i64 %start.address, %head
  %block.up = add i64 %block.least, 63
  %block.address = and i64 %block.up, -64
  %end = add i64 %start.address, %total
  %capacity = sub i64 %end, %block.address
  %new = inttoptr i64 %block.address to ptr
  put ptr %start, %new, BLOCK_START
  put i64 %capacity, %new, BLOCK_CAPACITY
  ret ptr %new
fail:
  ret ptr null
}

; Give a chain of large blocks back to the system: each begins with the next one's address.
define internal void @give_back(ptr %chain) {
entry:
  br label %next
next:
  %block = phi ptr [ %chain, %entry ], [ %following, %one ]
  %end = icmp eq ptr %block, null
  br i1 %end, label %done, label %look
look:
  %following = load ptr, ptr %block
  %start = get ptr, %block, BLOCK_START
  %capacity = get i64, %block, BLOCK_CAPACITY
  %mapped = icmp uge i64 %capacity, $MAP_FROM
  br i1 %mapped, label %unmap, label %plain
unmap:
  %block.address = ptrtoint ptr %block to i64
  %start.address = ptrtoint ptr %start to i64
  %head = sub i64 %block.address, %start.address
  %length = add i64 %head, %capacity
  call void @memory_unmap(ptr %start, i64 %length)
  br label %one
plain:
  call void @free(ptr %start)
  br label %one
one:
  br label %next
done:
  ret void
}

; ------------------------------------------------------------------------------------------- kept blocks

define internal i1 @acquire() {
entry:
  br label %try
try:
  %n = phi i64 [ 0, %entry ], [ %n.next, %again ]
  %pair = cmpxchg ptr @lock, i32 0, i32 1 acquire monotonic
  %got = extractvalue { i32, i1 } %pair, 1
  br i1 %got, label %done, label %again
again:
  %n.next = add i64 %n, 1
  %patient = icmp ult i64 %n.next, 2000
  br i1 %patient, label %try, label %done
done:
  ret i1 %got
}

define internal void @release() {
  store atomic i32 0, ptr @lock release, align 4
  ret void
}

define internal void @add_kept(i64 %change) {
  %before = get i64, @tensorc_memory_figures, FIGURE_KEPT
  %after = add i64 %before, %change
  put i64 %after, @tensorc_memory_figures, FIGURE_KEPT
  ret void
}

; The kept block that fits best, the one freed last among equals; null if each is too small or would waste a quarter.
define internal ptr @take_kept(i64 %bytes) {
entry:
  %quarter = lshr i64 %bytes, 2
  %most = add i64 %bytes, %quarter
  %got = call i1 @acquire()
  br i1 %got, label %search, label %none
search:
  %used = load i64, ptr @used
  br label %next
next:
  %k = phi i64 [ 0, %search ], [ %k.next, %judged ]
  %best = phi i64 [ -1, %search ], [ %best.next, %judged ]
  %best.capacity = phi i64 [ %most, %search ], [ %capacity.next, %judged ]
  %best.age = phi i64 [ 0, %search ], [ %age.next, %judged ]
  %more = icmp ult i64 %k, %used
  br i1 %more, label %one, label %chosen
one:
  %slot = getelementptr ptr, ptr @kept, i64 %k
  %block = load ptr, ptr %slot
  %empty = icmp eq ptr %block, null
  br i1 %empty, label %judged, label %weigh
weigh:
  %age.p = getelementptr i64, ptr @ages, i64 %k
  %age = load i64, ptr %age.p
  %capacity = get i64, %block, BLOCK_CAPACITY
  %enough = icmp uge i64 %capacity, %bytes
  %tighter = icmp ult i64 %capacity, %best.capacity
  %equal = icmp eq i64 %capacity, %best.capacity
  %younger = icmp ugt i64 %age, %best.age
  %preferred = and i1 %equal, %younger
  %better = or i1 %tighter, %preferred
  %fits = and i1 %enough, %better
  %best.now = select i1 %fits, i64 %k, i64 %best
  %capacity.now = select i1 %fits, i64 %capacity, i64 %best.capacity
  %age.now = select i1 %fits, i64 %age, i64 %best.age
  br label %judged
judged:
  %best.next = phi i64 [ %best, %one ], [ %best.now, %weigh ]
  %capacity.next = phi i64 [ %best.capacity, %one ], [ %capacity.now, %weigh ]
  %age.next = phi i64 [ %best.age, %one ], [ %age.now, %weigh ]
  %k.next = add i64 %k, 1
  br label %next
chosen:
  %found = icmp sge i64 %best, 0
  br i1 %found, label %take, label %leave
take:
  %place = getelementptr ptr, ptr @kept, i64 %best
  %taken = load ptr, ptr %place
  store ptr null, ptr %place
  %less = sub i64 0, %best.capacity
  call void @add_kept(i64 %less)
  %reused = get i64, @tensorc_memory_figures, FIGURE_REUSED
  %reused.next = add i64 %reused, 1
  put i64 %reused.next, @tensorc_memory_figures, FIGURE_REUSED
  br label %leave
leave:
  %answer = phi ptr [ null, %chosen ], [ %taken, %take ]
  call void @release()
  ret ptr %answer
none:
  ret ptr null
}

; Put a block into the table. Returns the chain of blocks to give back: those that had to go for it, or itself.
define internal ptr @keep(ptr %block, i64 %capacity) {
entry:
  store ptr null, ptr %block
  %limit = get i64, @tensorc_memory_figures, FIGURE_LIMIT
  %fits = icmp ule i64 %capacity, %limit
  br i1 %fits, label %lock, label %refuse
lock:
  %got = call i1 @acquire()
  br i1 %got, label %room, label %refuse
room:
  %most = sub i64 %limit, %capacity
  %chain = call ptr @evict(i64 %most, i64 $MOST_OTHERS)
  br label %next
next:
  %k = phi i64 [ 0, %room ], [ %k.next, %one ]
  %slot = getelementptr ptr, ptr @kept, i64 %k
  %there = load ptr, ptr %slot
  %empty = icmp eq ptr %there, null
  br i1 %empty, label %put, label %one
one:
  %k.next = add i64 %k, 1
  br label %next
put:
  store ptr %block, ptr %slot
  %used = load i64, ptr @used
  %k.behind = add i64 %k, 1
  %used.now = call i64 @llvm.umax.i64(i64 %used, i64 %k.behind)
  store i64 %used.now, ptr @used
  call void @add_kept(i64 %capacity)
  %clock = get i64, @tensorc_memory_figures, FIGURE_CLOCK
  %now = add i64 %clock, 1
  put i64 %now, @tensorc_memory_figures, FIGURE_CLOCK
  %age.p = getelementptr i64, ptr @ages, i64 %k
  store i64 %now, ptr %age.p
  call void @release()
  ret ptr %chain
refuse:
  ret ptr %block
}

; Take out the oldest blocks until at most so many bytes, in at most so many blocks, are kept; the lock is held. Returns
; their chain.
define internal ptr @evict(i64 %bytes, i64 %blocks) {
entry:
  %used = load i64, ptr @used
  br label %again
again:
  %chain = phi ptr [ null, %entry ], [ %victim, %drop ]
  br label %next
next:
  %k = phi i64 [ 0, %again ], [ %k.next, %judged ]
  %count = phi i64 [ 0, %again ], [ %count.next, %judged ]
  %oldest = phi i64 [ -1, %again ], [ %oldest.next, %judged ]
  %least = phi i64 [ -1, %again ], [ %least.next, %judged ]
  %more = icmp ult i64 %k, %used
  br i1 %more, label %one, label %counted
one:
  %slot = getelementptr ptr, ptr @kept, i64 %k
  %block = load ptr, ptr %slot
  %empty = icmp eq ptr %block, null
  br i1 %empty, label %judged, label %weigh
weigh:
  %age.p = getelementptr i64, ptr @ages, i64 %k
  %age = load i64, ptr %age.p
  %older = icmp ult i64 %age, %least
  %oldest.now = select i1 %older, i64 %k, i64 %oldest
  %least.now = select i1 %older, i64 %age, i64 %least
  %count.now = add i64 %count, 1
  br label %judged
judged:
  %count.next = phi i64 [ %count, %one ], [ %count.now, %weigh ]
  %oldest.next = phi i64 [ %oldest, %one ], [ %oldest.now, %weigh ]
  %least.next = phi i64 [ %least, %one ], [ %least.now, %weigh ]
  %k.next = add i64 %k, 1
  br label %next
counted:
  %kept = get i64, @tensorc_memory_figures, FIGURE_KEPT
  %heavy = icmp ugt i64 %kept, %bytes
  %many = icmp ugt i64 %count, %blocks
  %over = or i1 %heavy, %many
  %some = icmp ne i64 %count, 0
  %evict = and i1 %over, %some
  br i1 %evict, label %drop, label %done
drop:
  %place = getelementptr ptr, ptr @kept, i64 %oldest
  %victim = load ptr, ptr %place
  store ptr null, ptr %place
  store ptr %chain, ptr %victim
  %capacity = get i64, %victim, BLOCK_CAPACITY
  %less = sub i64 0, %capacity
  call void @add_kept(i64 %less)
  br label %again
done:
  ret ptr %chain
}

; ------------------------------------------------------------------------------ NumPy's memory handler (NEP 49)

; Arrays that lie in such blocks own them: NumPy frees and resizes them through these functions.
; Its name, version and context come first; the capsule around it is made in memory.py.
@tensorc_memory_handler_record = global { [7 x i8], [120 x i8], i8, ptr, ptr, ptr, ptr, ptr } {
  [7 x i8] c"tensorc", [120 x i8] zeroinitializer, i8 1,
  ptr null, ptr @handler_malloc, ptr @handler_calloc, ptr @handler_realloc, ptr @handler_free }

define internal ptr @handler_malloc(ptr %context, i64 %bytes) {
  %block = call ptr @tensorc_alloc(i64 %bytes)
  ret ptr %block
}

define internal ptr @handler_calloc(ptr %context, i64 %count, i64 %size) {
entry:
  %pair = call { i64, i1 } @llvm.umul.with.overflow.i64(i64 %count, i64 %size)
  %bytes = extractvalue { i64, i1 } %pair, 0
  %overflow = extractvalue { i64, i1 } %pair, 1
  %asked = select i1 %overflow, i64 -1, i64 %bytes
  %block = call ptr @tensorc_alloc(i64 %asked)
  %none = icmp eq ptr %block, null
  br i1 %none, label %done, label %clear
clear:
  call void @llvm.memset.p0.i64(ptr %block, i8 0, i64 %bytes, i1 false)
  br label %done
done:
  ret ptr %block
}

define internal ptr @handler_realloc(ptr %context, ptr %old, i64 %bytes) {
entry:
  %new = call ptr @tensorc_alloc(i64 %bytes)
  %none = icmp eq ptr %new, null
  %first = icmp eq ptr %old, null
  %no.copy = or i1 %none, %first
  br i1 %no.copy, label %done, label %copy
copy:
  %capacity = get i64, %old, BLOCK_CAPACITY
  %least = call i64 @llvm.umin.i64(i64 %capacity, i64 %bytes)
  call void @llvm.memcpy.p0.p0.i64(ptr %new, ptr %old, i64 %least, i1 false)
  call void @tensorc_free(ptr %old)
  br label %done
done:
  ret ptr %new
}

define internal void @handler_free(ptr %context, ptr %block, i64 %bytes) {
  call void @tensorc_free(ptr %block)
  ret void
}
