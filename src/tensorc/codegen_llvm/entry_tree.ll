; The native entry: containers of arguments and of results. See entry.ll.
;
; A form says what the arguments of a call have to be: words, written by api/native_forms.py. First the number of leaves, of
; arguments by position, of arguments by name, and the names; then for each argument, in preorder:
;     $NODE_ARRAY  place dtype rank    exactly an ndarray of that dtype and rank, which becomes the leaf of that place
;     $NODE_NUMBER place type          exactly of that type
;     $NODE_INT    place               an int that fits into 64 bits
;     $NODE_TUPLE  type n              of that type, a tuple or a named tuple, with so many children, which follow
;     $NODE_LIST   n                   a list
;     $NODE_DICT   n                   a dict with exactly these keys, all of type str; each before its child
;     $NODE_NONE                       None
;     $NODE_STATIC object              that very object
; What does not fit goes to Python, which finds or makes the right variant. Results are built by the same nodes, with
; the number of an output as the only word of an array.

@PyLong_Type = external global i8
@PyList_Type = external global i8
@PyDict_Type = external global i8
@_Py_NoneStruct = external global i8
@tensorc_ndarray_type = external global i8

declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare void @PyErr_Clear()
declare i64 @PyLong_AsLongLongAndOverflow(ptr, ptr)
declare i64 @PyTuple_Size(ptr)
declare ptr @PyTuple_GetItem(ptr, i64)
declare ptr @PyTuple_New(i64)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare i64 @PyList_Size(ptr)
declare ptr @PyList_GetItem(ptr, i64)
declare ptr @PyList_New(i64)
declare i32 @PyList_SetItem(ptr, i64, ptr)
declare i64 @PyDict_Size(ptr)
declare ptr @PyDict_GetItemWithError(ptr, ptr)
declare ptr @PyDict_New()
declare i32 @PyDict_SetItem(ptr, ptr, ptr)

; In entry_rare.ll.
declare void @entry_drop(ptr, i64)

; The next word at the cursor.
define internal i64 @word(ptr %cursor.p) alwaysinline {
  %cursor = load ptr, ptr %cursor.p
  %value = load i64, ptr %cursor
  %next = getelementptr i64, ptr %cursor, i64 1
  store ptr %next, ptr %cursor.p
  ret i64 %value
}

; Take the arguments of a call apart: %leaves gets a reference to each leaf. False: they are of another form, and nothing is
; held.
define i1 @entry_take(ptr %words, ptr %leaves, ptr %args, i64 %given, ptr %kwnames) {
entry:
  %cursor.p = alloca ptr
  store ptr %words, ptr %cursor.p
  %n = call i64 @word(ptr %cursor.p)
  %positional = call i64 @word(ptr %cursor.p)
  %named = call i64 @word(ptr %cursor.p)
  br label %clear
clear:
  %c = phi i64 [ 0, %entry ], [ %c.next, %cleared ]
  %unclear = icmp ult i64 %c, %n
  br i1 %unclear, label %cleared, label %counts
cleared:
  %empty.p = getelementptr ptr, ptr %leaves, i64 %c
  store ptr null, ptr %empty.p
  %c.next = add i64 %c, 1
  br label %clear
counts:
  %same.count = icmp eq i64 %given, %positional
  %plain = icmp eq ptr %kwnames, null
  br i1 %same.count, label %keywords, label %fail
keywords:
  br i1 %plain, label %bare, label %size
bare:
  %none.named = icmp eq i64 %named, 0
  br i1 %none.named, label %arguments, label %fail
size:
  %names = call i64 @PyTuple_Size(ptr %kwnames)
  %same.names = icmp eq i64 %names, %named
  br i1 %same.names, label %name, label %fail
name:
  %j = phi i64 [ 0, %size ], [ %j.next, %compared ]
  %unnamed = icmp ult i64 %j, %named
  br i1 %unnamed, label %compare, label %arguments
compare:
  %want.name = call i64 @word(ptr %cursor.p)
  %have.name = call ptr @PyTuple_GetItem(ptr %kwnames, i64 %j)
  %have.word = ptrtoint ptr %have.name to i64
  %same.name = icmp eq i64 %want.name, %have.word
  br i1 %same.name, label %compared, label %fail
compared:
  %j.next = add i64 %j, 1
  br label %name
arguments:
  %all = add i64 %given, %named
  br label %next
next:
  %k = phi i64 [ 0, %arguments ], [ %k.next, %took ]
  %more = icmp ult i64 %k, %all
  br i1 %more, label %one, label %done
one:
  %arg.p = getelementptr ptr, ptr %args, i64 %k
  %arg = load ptr, ptr %arg.p
  %fits = call i1 @take(ptr %cursor.p, ptr %arg, ptr %leaves)
  br i1 %fits, label %took, label %fail
took:
  %k.next = add i64 %k, 1
  br label %next
done:
  ret i1 true
fail:
  call void @entry_drop(ptr %leaves, i64 %n)
  ret i1 false
}

; Take one object apart, after the node at the cursor. It is held meanwhile: comparing keys can run Python code.
define internal i1 @take(ptr %cursor.p, ptr %object, ptr %leaves) {
entry:
  call void @Py_IncRef(ptr %object)
  %fits = call i1 @take_held(ptr %cursor.p, ptr %object, ptr %leaves)
  call void @Py_DecRef(ptr %object)
  ret i1 %fits
}

define internal i1 @take_held(ptr %cursor.p, ptr %object, ptr %leaves) {
entry:
  %overflow = alloca i32
  %node = call i64 @word(ptr %cursor.p)
  %type = get ptr, %object, OBJECT_TYPE
  switch i64 %node, label %fail [
    i64 $NODE_ARRAY, label %array
    i64 $NODE_NUMBER, label %number
    i64 $NODE_INT, label %int
    i64 $NODE_TUPLE, label %tuple
    i64 $NODE_LIST, label %list
    i64 $NODE_DICT, label %dict
    i64 $NODE_NONE, label %none
    i64 $NODE_STATIC, label %static ]
array:
  %array.place = call i64 @word(ptr %cursor.p)
  %want.dtype = call i64 @word(ptr %cursor.p)
  %want.rank = call i64 @word(ptr %cursor.p)
  %is.array = icmp eq ptr %type, @tensorc_ndarray_type
  br i1 %is.array, label %described, label %fail
described:
  %dtype.p = get ptr, %object, ARRAY_DESCR
  %dtype = ptrtoint ptr %dtype.p to i64
  %rank.short = get i32, %object, ARRAY_ND
  %rank = zext i32 %rank.short to i64
  %same.dtype = icmp eq i64 %dtype, %want.dtype
  %same.rank = icmp eq i64 %rank, %want.rank
  %same.array = and i1 %same.dtype, %same.rank
  br i1 %same.array, label %leaf, label %fail
number:
  %number.place = call i64 @word(ptr %cursor.p)
  %want.type = call i64 @word(ptr %cursor.p)
  %type.word = ptrtoint ptr %type to i64
  %same.type = icmp eq i64 %type.word, %want.type
  br i1 %same.type, label %leaf, label %fail
int:
  %int.place = call i64 @word(ptr %cursor.p)
  %is.int = icmp eq ptr %type, @PyLong_Type
  br i1 %is.int, label %range, label %fail
range:
  call i64 @PyLong_AsLongLongAndOverflow(ptr %object, ptr %overflow)
  %over = load i32, ptr %overflow
  %in.range = icmp eq i32 %over, 0
  br i1 %in.range, label %leaf, label %fail
leaf:
  %place = phi i64 [ %array.place, %described ], [ %number.place, %number ], [ %int.place, %range ]
  %leaf.p = getelementptr ptr, ptr %leaves, i64 %place
  call void @Py_IncRef(ptr %object)
  store ptr %object, ptr %leaf.p
  ret i1 true
none:
  %is.none = icmp eq ptr %object, @_Py_NoneStruct
  ret i1 %is.none
static:
  %want.object = call i64 @word(ptr %cursor.p)
  %object.word = ptrtoint ptr %object to i64
  %same.object = icmp eq i64 %object.word, %want.object
  ret i1 %same.object

tuple:
  %tuple.type = call i64 @word(ptr %cursor.p)
  %tuple.want = call i64 @word(ptr %cursor.p)
  %tuple.word = ptrtoint ptr %type to i64
  %is.tuple = icmp eq i64 %tuple.word, %tuple.type
  br i1 %is.tuple, label %tuple.size, label %fail
tuple.size:
  %tuple.n = call i64 @PyTuple_Size(ptr %object)
  %tuple.fits = icmp eq i64 %tuple.n, %tuple.want
  br i1 %tuple.fits, label %tuple.next, label %fail
tuple.next:
  %t = phi i64 [ 0, %tuple.size ], [ %t.next, %tuple.one ]
  %tuple.more = icmp ult i64 %t, %tuple.n
  br i1 %tuple.more, label %tuple.one, label %done
tuple.one:
  %tuple.item = call ptr @PyTuple_GetItem(ptr %object, i64 %t)
  %tuple.took = call i1 @take(ptr %cursor.p, ptr %tuple.item, ptr %leaves)
  %t.next = add i64 %t, 1
  br i1 %tuple.took, label %tuple.next, label %fail

list:
  %list.want = call i64 @word(ptr %cursor.p)
  %is.list = icmp eq ptr %type, @PyList_Type
  br i1 %is.list, label %list.size, label %fail
list.size:
  %list.n = call i64 @PyList_Size(ptr %object)
  %list.fits = icmp eq i64 %list.n, %list.want
  br i1 %list.fits, label %list.next, label %fail
list.next:
  %l = phi i64 [ 0, %list.size ], [ %l.next, %list.have ]
  %list.more = icmp ult i64 %l, %list.n
  br i1 %list.more, label %list.one, label %done
list.one:
  %list.item = call ptr @PyList_GetItem(ptr %object, i64 %l)
  %list.gone = icmp eq ptr %list.item, null
  br i1 %list.gone, label %error, label %list.have
list.have:
  %list.took = call i1 @take(ptr %cursor.p, ptr %list.item, ptr %leaves)
  %l.next = add i64 %l, 1
  br i1 %list.took, label %list.next, label %fail

dict:
  %dict.want = call i64 @word(ptr %cursor.p)
  %is.dict = icmp eq ptr %type, @PyDict_Type
  br i1 %is.dict, label %dict.size, label %fail
dict.size:
  %dict.n = call i64 @PyDict_Size(ptr %object)
  %dict.fits = icmp eq i64 %dict.n, %dict.want
  br i1 %dict.fits, label %dict.next, label %fail
dict.next:
  %d = phi i64 [ 0, %dict.size ], [ %d.next, %dict.have ]
  %dict.more = icmp ult i64 %d, %dict.n
  br i1 %dict.more, label %dict.one, label %done
dict.one:
  %key.word = call i64 @word(ptr %cursor.p)
  %key = inttoptr i64 %key.word to ptr
  %dict.item = call ptr @PyDict_GetItemWithError(ptr %object, ptr %key)
  %dict.gone = icmp eq ptr %dict.item, null
  br i1 %dict.gone, label %error, label %dict.have
dict.have:
  %dict.took = call i1 @take(ptr %cursor.p, ptr %dict.item, ptr %leaves)
  %d.next = add i64 %d, 1
  br i1 %dict.took, label %dict.next, label %fail

done:
  ret i1 true
error:
  call void @PyErr_Clear()
  ret i1 false
fail:
  ret i1 false
}

; A new container of results, whose references it takes over; null with an exception set.
define ptr @entry_build(ptr %words, ptr %outs) {
  %cursor.p = alloca ptr
  store ptr %words, ptr %cursor.p
  %made = call ptr @build(ptr %cursor.p, ptr %outs)
  ret ptr %made
}

define internal ptr @build(ptr %cursor.p, ptr %outs) {
entry:
  %node = call i64 @word(ptr %cursor.p)
  switch i64 %node, label %none [
    i64 $NODE_ARRAY, label %array
    i64 $NODE_TUPLE, label %tuple
    i64 $NODE_LIST, label %list
    i64 $NODE_DICT, label %dict ]
none:
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  ret ptr @_Py_NoneStruct
array:
  %place = call i64 @word(ptr %cursor.p)
  %out.p = getelementptr ptr, ptr %outs, i64 %place
  %out = load ptr, ptr %out.p
  store ptr null, ptr %out.p
  ret ptr %out
tuple:
  %tuple.n = call i64 @word(ptr %cursor.p)
  %pack = call ptr @PyTuple_New(i64 %tuple.n)
  %no.pack = icmp eq ptr %pack, null
  br i1 %no.pack, label %fail, label %tuple.next
tuple.next:
  %t = phi i64 [ 0, %tuple ], [ %t.next, %tuple.put ]
  %tuple.more = icmp ult i64 %t, %tuple.n
  br i1 %tuple.more, label %tuple.one, label %done
tuple.one:
  %tuple.item = call ptr @build(ptr %cursor.p, ptr %outs)
  %tuple.failed = icmp eq ptr %tuple.item, null
  br i1 %tuple.failed, label %undo, label %tuple.put
tuple.put:
  call i32 @PyTuple_SetItem(ptr %pack, i64 %t, ptr %tuple.item)
  %t.next = add i64 %t, 1
  br label %tuple.next
list:
  %list.n = call i64 @word(ptr %cursor.p)
  %row = call ptr @PyList_New(i64 %list.n)
  %no.row = icmp eq ptr %row, null
  br i1 %no.row, label %fail, label %list.next
list.next:
  %l = phi i64 [ 0, %list ], [ %l.next, %list.put ]
  %list.more = icmp ult i64 %l, %list.n
  br i1 %list.more, label %list.one, label %done
list.one:
  %list.item = call ptr @build(ptr %cursor.p, ptr %outs)
  %list.failed = icmp eq ptr %list.item, null
  br i1 %list.failed, label %undo, label %list.put
list.put:
  call i32 @PyList_SetItem(ptr %row, i64 %l, ptr %list.item)
  %l.next = add i64 %l, 1
  br label %list.next
dict:
  %dict.n = call i64 @word(ptr %cursor.p)
  %map = call ptr @PyDict_New()
  %no.map = icmp eq ptr %map, null
  br i1 %no.map, label %fail, label %dict.next
dict.next:
  %d = phi i64 [ 0, %dict ], [ %d.next, %dict.put ]
  %dict.more = icmp ult i64 %d, %dict.n
  br i1 %dict.more, label %dict.one, label %done
dict.one:
  %key.word = call i64 @word(ptr %cursor.p)
  %key = inttoptr i64 %key.word to ptr
  %dict.item = call ptr @build(ptr %cursor.p, ptr %outs)
  %dict.failed = icmp eq ptr %dict.item, null
  br i1 %dict.failed, label %undo, label %dict.put
dict.put:
  %status = call i32 @PyDict_SetItem(ptr %map, ptr %key, ptr %dict.item)
  call void @Py_DecRef(ptr %dict.item)
  %d.next = add i64 %d, 1
  %set = icmp eq i32 %status, 0
  br i1 %set, label %dict.next, label %undo
done:
  %container = phi ptr [ %pack, %tuple.next ], [ %row, %list.next ], [ %map, %dict.next ]
  ret ptr %container
undo:
  %partial = phi ptr [ %pack, %tuple.one ], [ %row, %list.one ], [ %map, %dict.one ], [ %map, %dict.put ]
  call void @Py_DecRef(ptr %partial)
  ret ptr null
fail:
  ret ptr null
}
