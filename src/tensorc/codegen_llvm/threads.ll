; Parallel loops: a body `i32 (ptr captures, i64 lower, i64 upper)` run in chunks, by the caller and by a pool of workers.
; Written with the abbreviations of entry.ll; `runtime/threads.py` starts workers and owns the pool's memory.
;
; One loop at a time has the pool; a caller that finds it taken runs its loop alone. Whoever is free claims chunks: many
; at once as long as many are left, in the end one by one. So a worker that the system has taken off its CPU delays
; nothing but what it has claimed, and for that it is lent the caller's CPU (threads_linux.ll).
;
; The ticket is all that a claim is about: in its upper half the number of the loop, in its lower half how many chunks
; are left. Counting it down with a compare-and-exchange proves that what was read of the loop's fields since the ticket
; was read belongs to this loop, because fields are written only while no chunk is left.
;
; Sleeping and waking: who goes to sleep says so in a word, looks again whether there is nothing to do, and closes a lock
; a second time. Who wakes it takes the word back and opens the lock; only who took the word back may open.

declare void @Py_DecRef(ptr)
declare ptr @PyObject_CallNoArgs(ptr)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare i32 @PyThread_acquire_lock_timed(ptr, i64, i32)
declare void @PyThread_release_lock(ptr)
declare i32 @$CLOCK(ptr, i32)
declare i64 @llvm.umin.i64(i64, i64)
declare i64 @llvm.umax.i64(i64, i64)
declare i64 @llvm.ctlz.i64(i64, i1)
declare double @llvm.maxnum.f64(double, double)
declare double @llvm.minnum.f64(double, double)
declare i64 @llvm.fptosi.sat.i64.f64(double)
$PAUSE_DECLARATION

; In entry_rare.ll.
declare i64 @tensorc_poll(ptr, i64)

; In threads_linux.ll, threads_plain.ll.
declare i64 @threads_place()
declare void @threads_arrive(ptr)
declare void @threads_part(ptr, i64)
declare i1 @threads_lend(ptr)

; What is the case in this process: see CONTROL in runtime/threads.py.
@tensorc_threads = global [$CONTROL_WORDS x i64] zeroinitializer

; ----------------------------------------------------------------------------------------------- small steps

define internal i64 @now() {
  %time = alloca [2 x i64]
  call i32 @$CLOCK(ptr %time, i32 1)
  %seconds = load i64, ptr %time
  %rest.p = getelementptr i8, ptr %time, i64 8
  %rest.short = load i32, ptr %rest.p
  %rest = zext i32 %rest.short to i64
  %whole = mul i64 %seconds, 1000000000
  %sum = add i64 %whole, %rest
  ret i64 %sum
}

; A moment in which a thread that waits leaves the core to its sibling: some tenths of a microsecond.
define internal void @breathe() {
entry:
  br label %next
next:
  %n = phi i64 [ 0, %entry ], [ %n.next, %next ]
  $PAUSE
  %n.next = add i64 %n, 1
  %more = icmp ult i64 %n.next, 8
  br i1 %more, label %next, label %done
done:
  ret void
}

; Open the lock at %lock if somebody sleeps there, as the word at %word says.
define internal void @wake(ptr %word, ptr %lock) {
entry:
  %seen = load atomic i64, ptr %word seq_cst, align 8
  %sleeps = icmp ne i64 %seen, 0
  br i1 %sleeps, label %take, label %done
take:
  %old = atomicrmw xchg ptr %word, i64 0 seq_cst
  %mine = icmp ne i64 %old, 0
  br i1 %mine, label %open, label %done
open:
  call void @PyThread_release_lock(ptr %lock)
  br label %done
done:
  ret void
}

; Leave no chunk to claim.
define internal void @stop(ptr %pool) {
entry:
  %ticket.p = getelementptr i8, ptr %pool, i64 $POOL_TICKET
  %skipped.p = getelementptr i8, ptr %pool, i64 $POOL_SKIPPED
  br label %look
look:
  %ticket = load atomic i64, ptr %ticket.p monotonic, align 8
  %left = and i64 %ticket, 4294967295
  %none = icmp eq i64 %left, 0
  br i1 %none, label %done, label %try
try:
  %closed = sub i64 %ticket, %left
  %pair = cmpxchg ptr %ticket.p, i64 %ticket, i64 %closed seq_cst monotonic
  %ok = extractvalue { i64, i1 } %pair, 1
  br i1 %ok, label %count, label %look
count:
  atomicrmw add ptr %skipped.p, i64 %left seq_cst
  br label %done
done:
  ret void
}

; Claim some chunks that lie side by side and run them: a part of what is left, so that all end at about the same time
; whoever came late. Returns how many; 0: none is left.
define internal i64 @work(ptr %pool) {
entry:
  %ticket.p = getelementptr i8, ptr %pool, i64 $POOL_TICKET
  %body.p = getelementptr i8, ptr %pool, i64 $POOL_BODY
  %captures.p = getelementptr i8, ptr %pool, i64 $POOL_CAPTURES
  %lower.p = getelementptr i8, ptr %pool, i64 $POOL_LOWER
  %upper.p = getelementptr i8, ptr %pool, i64 $POOL_UPPER
  %chunk.p = getelementptr i8, ptr %pool, i64 $POOL_CHUNK
  %chunks.p = getelementptr i8, ptr %pool, i64 $POOL_CHUNKS
  %share.p = getelementptr i8, ptr %pool, i64 $POOL_SHARE
  %most.p = getelementptr i8, ptr %pool, i64 $POOL_MOST
  br label %look
look:
  %ticket = load atomic i64, ptr %ticket.p seq_cst, align 8
  %left = and i64 %ticket, 4294967295
  %none = icmp eq i64 %left, 0
  br i1 %none, label %idle, label %claim
idle:
  ret i64 0
claim:
  %body = load atomic ptr, ptr %body.p monotonic, align 8
  %captures = load atomic ptr, ptr %captures.p monotonic, align 8
  %lower = load atomic i64, ptr %lower.p monotonic, align 8
  %upper = load atomic i64, ptr %upper.p monotonic, align 8
  %chunk = load atomic i64, ptr %chunk.p monotonic, align 8
  %chunks = load atomic i64, ptr %chunks.p monotonic, align 8
  %share = load atomic i64, ptr %share.p monotonic, align 8
  %most = load atomic i64, ptr %most.p monotonic, align 8
  %part = lshr i64 %left, %share
  %bounded = call i64 @llvm.umin.i64(i64 %part, i64 %most)
  %count = call i64 @llvm.umax.i64(i64 %bounded, i64 1)
  %fewer = sub i64 %ticket, %count
  %pair = cmpxchg ptr %ticket.p, i64 %ticket, i64 %fewer seq_cst monotonic
  %mine = extractvalue { i64, i1 } %pair, 1
  br i1 %mine, label %run, label %look
run:
  %number = sub i64 %chunks, %left
  %offset = mul i64 %number, %chunk
  %from = add i64 %lower, %offset
  %rest = sub i64 %upper, %from
  %span = mul i64 %count, %chunk
  %length = call i64 @llvm.umin.i64(i64 %rest, i64 %span)
  %to = add i64 %from, %length
  %code = call i32 %body(ptr %captures, i64 %from, i64 %to)
  %good = icmp eq i32 %code, 0
  br i1 %good, label %finish, label %fail
fail:
  %code.p = getelementptr i8, ptr %pool, i64 $POOL_CODE
  %wide = zext i32 %code to i64
  atomicrmw umax ptr %code.p, i64 %wide monotonic
  call void @stop(ptr %pool)
  br label %finish
finish:
  %finished.p = getelementptr i8, ptr %pool, i64 $POOL_FINISHED
  atomicrmw add ptr %finished.p, i64 %count seq_cst
  ret i64 %count
}

; ------------------------------------------------------------------------------------------------- workers

; What a worker does until its %epoch is over. Between loops it looks around for some microseconds, then it sleeps.
define void @tensorc_worker(ptr %pool, i64 %index, i64 %epoch) {
entry:
  %alive.p = getelementptr i8, ptr %pool, i64 $POOL_ALIVE
  %epoch.p = getelementptr i8, ptr %pool, i64 $POOL_EPOCH
  %ticket.p = getelementptr i8, ptr %pool, i64 $POOL_TICKET
  %waiting.p = getelementptr i8, ptr %pool, i64 $POOL_WAITING
  %at = mul i64 %index, $SLOT_BYTES
  %place = add i64 %at, $POOL_SLOTS
  %slot = getelementptr i8, ptr %pool, i64 %place
  %sleeping.p = getelementptr i8, ptr %slot, i64 $SLOT_SLEEPING
  %working.p = getelementptr i8, ptr %slot, i64 $SLOT_WORKING
  %home.p = getelementptr i8, ptr %pool, i64 $POOL_HOME
  call void @threads_arrive(ptr %slot)
  atomicrmw add ptr %alive.p, i64 1 seq_cst
  br label %look
look:
  %now.epoch = load atomic i64, ptr %epoch.p seq_cst, align 8
  %mine = icmp eq i64 %now.epoch, %epoch
  br i1 %mine, label %claim, label %leave
claim:
  %home = load atomic i64, ptr %home.p monotonic, align 8
  call void @threads_part(ptr %slot, i64 %home)
  store atomic i64 1, ptr %working.p monotonic, align 8
  %did = call i64 @work(ptr %pool)
  store atomic i64 0, ptr %working.p monotonic, align 8
  %some = icmp ne i64 %did, 0
  br i1 %some, label %tell, label %idle
tell:
  %join.lock = get ptr, %pool, POOL_JOIN_LOCK
  call void @wake(ptr %waiting.p, ptr %join.lock)
  br label %look
idle:
  %begin = call i64 @now()
  br label %spin
spin:
  call void @breathe()
  %spin.epoch = load atomic i64, ptr %epoch.p monotonic, align 8
  %spin.ticket = load atomic i64, ptr %ticket.p monotonic, align 8
  %spin.left = and i64 %spin.ticket, 4294967295
  %something = icmp ne i64 %spin.left, 0
  %over = icmp ne i64 %spin.epoch, %epoch
  %stir = or i1 %something, %over
  br i1 %stir, label %look, label %time
time:
  %then = call i64 @now()
  %elapsed = sub i64 %then, %begin
  %patience = get i64, %pool, POOL_SPIN
  %patient = icmp ult i64 %elapsed, %patience       ; a clock that was set back ends the patience
  br i1 %patient, label %spin, label %doze
doze:
  store atomic i64 1, ptr %sleeping.p seq_cst, align 8
  %last.epoch = load atomic i64, ptr %epoch.p seq_cst, align 8
  %last.ticket = load atomic i64, ptr %ticket.p seq_cst, align 8
  %last.left = and i64 %last.ticket, 4294967295
  %last.something = icmp ne i64 %last.left, 0
  %last.over = icmp ne i64 %last.epoch, %epoch
  %last.stir = or i1 %last.something, %last.over
  br i1 %last.stir, label %rise, label %sleep
rise:
  %word = atomicrmw xchg ptr %sleeping.p, i64 0 seq_cst
  %still.mine = icmp ne i64 %word, 0
  br i1 %still.mine, label %look, label %sleep
sleep:
  %lock = get ptr, %slot, SLOT_LOCK
  call i32 @PyThread_acquire_lock_timed(ptr %lock, i64 -1, i32 0)
  br label %look
leave:
  atomicrmw sub ptr %alive.p, i64 1 seq_cst
  ret void
}

; End the pool's epoch: return when every worker has finished its chunk and left. Called without the GIL.
define void @tensorc_retire(ptr %pool) {
entry:
  %alive.p = getelementptr i8, ptr %pool, i64 $POOL_ALIVE
  %epoch.p = getelementptr i8, ptr %pool, i64 $POOL_EPOCH
  atomicrmw add ptr %epoch.p, i64 1 seq_cst
  %n = get i64, %pool, POOL_WORKERS
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %one ]
  %more = icmp ult i64 %k, %n
  br i1 %more, label %one, label %wait
one:
  %at = mul i64 %k, $SLOT_BYTES
  %place = add i64 %at, $POOL_SLOTS
  %slot = getelementptr i8, ptr %pool, i64 %place
  %sleeping.p = getelementptr i8, ptr %slot, i64 $SLOT_SLEEPING
  %lock = get ptr, %slot, SLOT_LOCK
  call void @wake(ptr %sleeping.p, ptr %lock)
  %k.next = add i64 %k, 1
  br label %next
wait:
  %alive = load atomic i64, ptr %alive.p seq_cst, align 8
  %some = icmp ne i64 %alive, 0
  br i1 %some, label %rest, label %done
rest:
  %closed = get ptr, %pool, POOL_CLOSED_LOCK
  call i32 @PyThread_acquire_lock_timed(ptr %closed, i64 20, i32 0)
  br label %wait
done:
  ret void
}

; ------------------------------------------------------------------------------------------------- callers

; Run a loop. %weight: what one iteration costs, in units of work. Returns what the body returned, if not 0, or 4: a
; signal handler raised, an exception is set. No chunk is running then, and not all may have run.
define i32 @tensorc_parallel(ptr %record, ptr %body, ptr %captures, i64 %lower, i64 %upper, i64 %weight) {
entry:
  %size = get i64, %record, POLL_CHUNK
  %never = icmp eq i64 %size, $NO_POLL_CHUNK
  br i1 %never, label %whole, label %ask
whole:
  %at.once = call i32 %body(ptr %captures, i64 %lower, i64 %upper)
  ret i32 %at.once
nothing:
  ret i32 0
ask:
  %trips = sub i64 %upper, %lower
  %some = icmp sgt i64 %trips, 0
  br i1 %some, label %any, label %nothing
any:
  %single = icmp eq i64 %trips, 1
  br i1 %single, label %whole, label %which
which:
  %state = load atomic i64, ptr @tensorc_threads acquire, align 8
  switch i64 %state, label %alone [ i64 $THREADS_UNKNOWN, label %start i64 $THREADS_READY, label %enter ]
start:
  %gil = get i64, %record, POLL_HAS_GIL
  %kept = icmp uge i64 %gil, $GIL_KEPT
  br i1 %kept, label %alone, label %start.now           ; no Python may run now
start.now:
  %raised = call i1 @entry_start_threads(ptr %record)
  br i1 %raised, label %interrupted, label %started
interrupted:
  ret i32 4
started:
  %after = load atomic i64, ptr @tensorc_threads acquire, align 8
  %ready = icmp eq i64 %after, $THREADS_READY
  br i1 %ready, label %enter, label %alone
enter:
  %pool.p = getelementptr i8, ptr @tensorc_threads, i64 $CONTROL_POOL
  %pool = load atomic ptr, ptr %pool.p acquire, align 8
  %rest = get i64, %pool, POOL_REST
  %time = call i64 @now()
  %rest.left = sub i64 %rest, %time
  %tired = icmp ult i64 %rest.left, $REST_LONGEST
  br i1 %tired, label %alone, label %take
take:
  %busy.p = getelementptr i8, ptr %pool, i64 $POOL_BUSY
  %pair = cmpxchg ptr %busy.p, i64 0, i64 1 seq_cst monotonic
  %ours = extractvalue { i64, i1 } %pair, 1
  br i1 %ours, label %together, label %alone
together:
  %code = call i32 @together(ptr %pool, ptr %record, ptr %body, ptr %captures, i64 %lower, i64 %upper, i64 %weight)
  store atomic i64 0, ptr %busy.p seq_cst, align 8
  ret i32 %code
alone:
  %own = call i32 @alone(ptr %record, ptr %body, ptr %captures, i64 %lower, i64 %upper, i64 %weight)
  ret i32 %own
}

; Have Python start the workers, with the GIL. True: an exception is set.
define i1 @entry_start_threads(ptr %record) {
entry:
  %starter.p = getelementptr i8, ptr @tensorc_threads, i64 $CONTROL_STARTER
  %starter = load ptr, ptr %starter.p, align 8
  %has = get i64, %record, POLL_HAS_GIL
  %holding = icmp ne i64 %has, 0
  br i1 %holding, label %call, label %take
take:
  %thread = get ptr, %record, POLL_THREAD
  call void @PyEval_RestoreThread(ptr %thread)
  br label %call
call:
  %answer = call ptr @PyObject_CallNoArgs(ptr %starter)
  %raised = icmp eq ptr %answer, null
  br i1 %raised, label %called, label %drop
drop:
  call void @Py_DecRef(ptr %answer)
  br label %called
called:
  br i1 %holding, label %done, label %give
give:
  %saved = call ptr @PyEval_SaveThread()
  put ptr %saved, %record, POLL_THREAD
  br label %done
done:
  ret i1 %raised
}

; The whole loop in this thread, looking up between chunks, which begin small and grow while they are quick.
define internal i32 @alone(ptr %record, ptr %body, ptr %captures, i64 %lower, i64 %upper, i64 %weight) {
entry:
  %first = call i64 @chunk_of(double 1.0e0, i64 %weight, i64 $CONTROL_ALONE)
  br label %next
next:
  %from = phi i64 [ %lower, %entry ], [ %to, %polled ]
  %chunk = phi i64 [ %first, %entry ], [ %following, %polled ]
  %left = sub i64 %upper, %from
  %length = call i64 @llvm.umin.i64(i64 %left, i64 %chunk)
  %to = add i64 %from, %length
  %code = call i32 %body(ptr %captures, i64 %from, i64 %to)
  %good = icmp eq i32 %code, 0
  br i1 %good, label %ran, label %failed
ran:
  %more = icmp slt i64 %to, %upper
  br i1 %more, label %poll, label %done
poll:
  %following = call i64 @tensorc_poll(ptr %record, i64 %chunk)
  %stop = icmp eq i64 %following, 0
  br i1 %stop, label %interrupted, label %polled
polled:
  br label %next
interrupted:
  ret i32 4
failed:
  ret i32 %code
done:
  ret i32 0
}

; Iterations that make up %parts times the work that a field of the control says; at least one, whole cache lines of
; elements where there are many.
define internal i64 @chunk_of(double %parts, i64 %weight, i64 %field) {
entry:
  %unit.p = getelementptr i8, ptr @tensorc_threads, i64 %field
  %unit = load i64, ptr %unit.p, align 8
  %unit.f = uitofp i64 %unit to double
  %least.weight = call i64 @llvm.umax.i64(i64 %weight, i64 1)
  %weight.f = uitofp i64 %least.weight to double
  %work = fmul double %parts, %unit.f
  %exact = fdiv double %work, %weight.f
  %bounded = call double @llvm.minnum.f64(double %exact, double 1099511627776.0e0)
  %whole = call i64 @llvm.fptosi.sat.i64.f64(double %bounded)
  %some = call i64 @llvm.umax.i64(i64 %whole, i64 1)
  %many = icmp ugt i64 %some, 256
  %rounded = and i64 %some, -64
  %chunk = select i1 %many, i64 %rounded, i64 %some
  ret i64 %chunk
}

; The loop with the pool, which is ours.
define internal i32 @together(ptr %pool, ptr %record, ptr %body, ptr %captures, i64 %lower, i64 %upper, i64 %weight) {
entry:
  %ticket.p = getelementptr i8, ptr %pool, i64 $POOL_TICKET
  %code.p = getelementptr i8, ptr %pool, i64 $POOL_CODE
  %trips = sub i64 %upper, %lower
  %trips.f = uitofp i64 %trips to double
  %weight.f = uitofp i64 %weight to double
  %total = fmul double %trips.f, %weight.f
  %unit.p = getelementptr i8, ptr @tensorc_threads, i64 $CONTROL_UNIT
  %unit = load i64, ptr %unit.p, align 8
  %unit.f = uitofp i64 %unit to double
  %units = fdiv double %total, %unit.f
  %workers = get i64, %pool, POOL_WORKERS
  %all = add i64 %workers, 1
  %all.f = uitofp i64 %all to double
  %shares = fmul double %all.f, 6.4e1
  %share = fdiv double %units, %shares
  %at.least = call double @llvm.maxnum.f64(double %share, double 1.0e0)
  %parts = call double @llvm.minnum.f64(double %at.least, double 6.4e1)
  %wish = call i64 @chunk_of(double %parts, i64 %weight, i64 $CONTROL_UNIT)
  %floor = lshr i64 %trips, 24
  %above = add i64 %floor, 1
  %chunk = call i64 @llvm.umax.i64(i64 %wish, i64 %above)
  %rounding = sub i64 %chunk, 1
  %padded = add i64 %trips, %rounding
  %chunks = udiv i64 %padded, %chunk
  %at.once = fdiv double 6.4e1, %parts
  %most = call i64 @llvm.fptosi.sat.i64.f64(double %at.once)
  %fourfold = shl i64 %all, 2
  %below = sub i64 %fourfold, 1
  %zeros = call i64 @llvm.ctlz.i64(i64 %below, i1 true)
  %shift = sub i64 64, %zeros
  %useful = call i64 @llvm.fptosi.sat.i64.f64(double %units)
  %others = sub i64 %chunks, 1
  %enough = call i64 @llvm.umin.i64(i64 %others, i64 %useful)
  %many = call i64 @llvm.umin.i64(i64 %workers, i64 %enough)
  %worth = call i1 @worth_waking(ptr %pool, i64 %useful)
  %wanted = select i1 %worth, i64 %many, i64 0
  %home = call i64 @threads_place()
  %home.p = getelementptr i8, ptr %pool, i64 $POOL_HOME
  %share.p = getelementptr i8, ptr %pool, i64 $POOL_SHARE
  %most.p = getelementptr i8, ptr %pool, i64 $POOL_MOST
  store atomic i64 %home, ptr %home.p monotonic, align 8
  store atomic i64 %shift, ptr %share.p monotonic, align 8
  store atomic i64 %most, ptr %most.p monotonic, align 8
  call void @publish(ptr %pool, ptr %body, ptr %captures, i64 %lower, i64 %upper, i64 %chunk, i64 %chunks)
  call void @summon(ptr %pool, i64 %wanted)
  %begin = call i64 @now()
  br label %next
next:
  %own = phi i64 [ 0, %entry ], [ %own.next, %poll ]
  %did = call i64 @work(ptr %pool)
  %some = icmp ne i64 %did, 0
  br i1 %some, label %more, label %join
more:
  %own.next = add i64 %own, %did
  %ticket = load atomic i64, ptr %ticket.p monotonic, align 8
  %left = and i64 %ticket, 4294967295
  %last = icmp eq i64 %left, 0
  br i1 %last, label %join, label %poll
poll:
  %go = call i64 @tensorc_poll(ptr %record, i64 1)
  %raised = icmp eq i64 %go, 0
  br i1 %raised, label %interrupt, label %next
interrupt:
  atomicrmw umax ptr %code.p, i64 4 monotonic
  call void @stop(ptr %pool)
  br label %join
join:
  %done = phi i64 [ %own, %next ], [ %own.next, %more ], [ %own.next, %interrupt ]
  %ready = call i64 @now()
  call void @join(ptr %pool, i64 %chunks)
  %end = call i64 @now()
  call void @settle(ptr %pool, i64 %begin, i64 %ready, i64 %end, i64 %done, i64 %chunks)
  %code = load atomic i64, ptr %code.p seq_cst, align 8
  %answer = trunc i64 %code to i32
  ret i32 %answer
}

; Whether a loop of that many units is worth waking who sleeps: if it is long, or the last of many short ones that came
; soon after one another.
define internal i1 @worth_waking(ptr %pool, i64 %units) {
  %need = get i64, %pool, POOL_NEED
  %last = get i64, %pool, POOL_LAST
  %debt = get i64, %pool, POOL_DEBT
  %now = call i64 @now()
  %gap = sub i64 %now, %last
  %soon = icmp ult i64 %gap, $PAUSE_BETWEEN
  %before = select i1 %soon, i64 %debt, i64 0
  %sum = add i64 %before, %units
  %worth = icmp uge i64 %sum, %need
  %rest = select i1 %worth, i64 0, i64 %sum
  put i64 %rest, %pool, POOL_DEBT
  ret i1 %worth
}

; Leave the pool alone for a while if the loop took much longer than the caller would have taken by itself, who did %done
; of the %chunks until %ready: a worker has lost its CPU in the middle of a chunk. The while is the loss times PENALTY,
; which doubles with every loss and shrinks with every loop in between.
define internal void @settle(ptr %pool, i64 %begin, i64 %ready, i64 %end, i64 %done, i64 %chunks) {
entry:
  put i64 %end, %pool, POOL_LAST
  %penalty = get i64, %pool, POOL_PENALTY
  %some = icmp ne i64 %done, 0
  br i1 %some, label %judge, label %well
judge:
  %working = sub i64 %ready, %begin
  %each = sdiv i64 %working, %done
  %alone = mul i64 %each, %chunks
  %elapsed = sub i64 %end, %begin
  %loss = sub i64 %elapsed, %alone
  %much = ashr i64 %alone, 2                         ; waking alone costs some of a short loop's time
  %lost = icmp sgt i64 %loss, %much
  br i1 %lost, label %rest, label %well
rest:
  %long = mul i64 %loss, %penalty
  %bounded = call i64 @llvm.umin.i64(i64 %long, i64 $REST_LONGEST)
  %until = add i64 %end, %bounded
  put i64 %until, %pool, POOL_REST
  %twice = shl i64 %penalty, 1
  %harder = call i64 @llvm.umin.i64(i64 %twice, i64 $PENALTY_MOST)
  put i64 %harder, %pool, POOL_PENALTY
  ret void
well:
  %sixteenth = lshr i64 %penalty, 4
  %step = call i64 @llvm.umax.i64(i64 %sixteenth, i64 1)
  %less = sub i64 %penalty, %step
  %milder = call i64 @llvm.umax.i64(i64 %less, i64 $PENALTY_LEAST)
  put i64 %milder, %pool, POOL_PENALTY
  ret void
}

define internal void @publish(ptr %pool, ptr %body, ptr %captures, i64 %lower, i64 %upper, i64 %chunk, i64 %chunks) {
  %ticket.p = getelementptr i8, ptr %pool, i64 $POOL_TICKET
  %finished.p = getelementptr i8, ptr %pool, i64 $POOL_FINISHED
  %skipped.p = getelementptr i8, ptr %pool, i64 $POOL_SKIPPED
  %code.p = getelementptr i8, ptr %pool, i64 $POOL_CODE
  %body.p = getelementptr i8, ptr %pool, i64 $POOL_BODY
  %captures.p = getelementptr i8, ptr %pool, i64 $POOL_CAPTURES
  %lower.p = getelementptr i8, ptr %pool, i64 $POOL_LOWER
  %upper.p = getelementptr i8, ptr %pool, i64 $POOL_UPPER
  %chunk.p = getelementptr i8, ptr %pool, i64 $POOL_CHUNK
  %chunks.p = getelementptr i8, ptr %pool, i64 $POOL_CHUNKS
  store atomic i64 0, ptr %finished.p monotonic, align 8
  store atomic i64 0, ptr %skipped.p monotonic, align 8
  store atomic i64 0, ptr %code.p monotonic, align 8
  store atomic ptr %body, ptr %body.p monotonic, align 8
  store atomic ptr %captures, ptr %captures.p monotonic, align 8
  store atomic i64 %lower, ptr %lower.p monotonic, align 8
  store atomic i64 %upper, ptr %upper.p monotonic, align 8
  store atomic i64 %chunk, ptr %chunk.p monotonic, align 8
  store atomic i64 %chunks, ptr %chunks.p monotonic, align 8
  %ticket = load atomic i64, ptr %ticket.p monotonic, align 8
  %loop = lshr i64 %ticket, 32
  %loop.next = add i64 %loop, 1
  %high = shl i64 %loop.next, 32
  %new = or i64 %high, %chunks
  store atomic i64 %new, ptr %ticket.p seq_cst, align 8
  ret void
}

; Wake up to %wanted workers that sleep; the others see the ticket.
define internal void @summon(ptr %pool, i64 %wanted) {
entry:
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %one ]
  %more = icmp ult i64 %k, %wanted
  br i1 %more, label %one, label %done
one:
  %at = mul i64 %k, $SLOT_BYTES
  %place = add i64 %at, $POOL_SLOTS
  %slot = getelementptr i8, ptr %pool, i64 %place
  %sleeping.p = getelementptr i8, ptr %slot, i64 $SLOT_SLEEPING
  %lock = get ptr, %slot, SLOT_LOCK
  call void @wake(ptr %sleeping.p, ptr %lock)
  %k.next = add i64 %k, 1
  br label %next
done:
  ret void
}

; Wait until every chunk that somebody has claimed is done: awake while who does them has a CPU, at most for some time,
; then asleep, which leaves this CPU to a worker that has none.
define internal void @join(ptr %pool, i64 %chunks) {
entry:
  %waiting.p = getelementptr i8, ptr %pool, i64 $POOL_WAITING
  %lock = get ptr, %pool, POOL_JOIN_LOCK
  %look = get i64, %pool, POOL_JOIN_LOOK
  %patience = get i64, %pool, POOL_JOIN_SPIN
  %before = call i1 @complete(ptr %pool, i64 %chunks)
  br i1 %before, label %done, label %begin
begin:
  %start = call i64 @now()
  br label %spin
spin:
  %due = phi i64 [ %look, %begin ], [ %due, %time ], [ %later, %ask ]
  call void @breathe()
  %quick = call i1 @complete(ptr %pool, i64 %chunks)
  br i1 %quick, label %done, label %time
time:
  %then = call i64 @now()
  %elapsed = sub i64 %then, %start
  %early = icmp ult i64 %elapsed, %due
  br i1 %early, label %spin, label %ask
ask:
  %later = add i64 %elapsed, %look
  %run = call i1 @all_run(ptr %pool)
  %patient = icmp ult i64 %elapsed, %patience
  %stay = and i1 %run, %patient
  br i1 %stay, label %spin, label %doze
doze:
  store atomic i64 1, ptr %waiting.p seq_cst, align 8
  %last = call i1 @complete(ptr %pool, i64 %chunks)
  br i1 %last, label %rise, label %sleep
rise:
  %word = atomicrmw xchg ptr %waiting.p, i64 0 seq_cst
  %mine = icmp ne i64 %word, 0
  br i1 %mine, label %done, label %drain
drain:
  call i32 @PyThread_acquire_lock_timed(ptr %lock, i64 -1, i32 0)
  br label %done
sleep:
  call i32 @PyThread_acquire_lock_timed(ptr %lock, i64 -1, i32 0)
  %after = call i1 @complete(ptr %pool, i64 %chunks)
  br i1 %after, label %done, label %doze
done:
  ret void
}

; Whether all workers that are in the middle of a chunk have a CPU; those that have none are lent this one.
define internal i1 @all_run(ptr %pool) {
entry:
  %n = get i64, %pool, POOL_WORKERS
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %counted ]
  %run = phi i1 [ true, %entry ], [ %run.next, %counted ]
  %more = icmp ult i64 %k, %n
  br i1 %more, label %one, label %done
one:
  %at = mul i64 %k, $SLOT_BYTES
  %place = add i64 %at, $POOL_SLOTS
  %slot = getelementptr i8, ptr %pool, i64 %place
  %working.p = getelementptr i8, ptr %slot, i64 $SLOT_WORKING
  %working = load atomic i64, ptr %working.p monotonic, align 8
  %busy = icmp ne i64 %working, 0
  br i1 %busy, label %ask, label %counted
ask:
  %moves = call i1 @threads_lend(ptr %slot)
  %both = and i1 %run, %moves
  br label %counted
counted:
  %run.next = phi i1 [ %run, %one ], [ %both, %ask ]
  %k.next = add i64 %k, 1
  br label %next
done:
  ret i1 %run
}

define internal i1 @complete(ptr %pool, i64 %chunks) {
  %finished.p = getelementptr i8, ptr %pool, i64 $POOL_FINISHED
  %skipped.p = getelementptr i8, ptr %pool, i64 $POOL_SKIPPED
  %finished = load atomic i64, ptr %finished.p seq_cst, align 8
  %skipped = load atomic i64, ptr %skipped.p seq_cst, align 8
  %sum = add i64 %finished, %skipped
  %done = icmp eq i64 %sum, %chunks
  ret i1 %done
}
