// Bytes that outlive the page: what somebody attached and is not sent yet. Where the browser keeps nothing (private
// windows of some), they live as long as the page.

const NAME = 'rcs'
const STORE = 'blobs'
const memory = new Map<string, Blob>()

let opening: Promise<IDBDatabase | null> | null = null

function database(): Promise<IDBDatabase | null> {
  opening ??= new Promise((resolve) => {
    try {
      const request = indexedDB.open(NAME, 1)
      request.onupgradeneeded = () => request.result.createObjectStore(STORE)
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => resolve(null)
      request.onblocked = () => resolve(null)
    } catch {
      resolve(null)
    }
  })
  return opening
}

async function within<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
  const opened = await database()
  if (!opened) return undefined
  return new Promise((resolve, reject) => {
    const transaction = opened.transaction(STORE, mode)
    const request = act(transaction.objectStore(STORE))
    transaction.oncomplete = () => resolve(request.result)
    transaction.onerror = () => reject(transaction.error ?? new Error('not kept'))
    transaction.onabort = () => reject(transaction.error ?? new Error('not kept'))
  })
}

/** Whether it outlives the page. */
export async function keepBlob(id: string, blob: Blob): Promise<boolean> {
  memory.set(id, blob)
  try {
    const key = await within('readwrite', (store) => store.put(blob, id))
    return key !== undefined
  } catch {
    return false
  }
}

export async function readBlob(id: string): Promise<Blob | null> {
  const held = memory.get(id)
  if (held) return held
  try {
    return ((await within('readonly', (store) => store.get(id))) as Blob | undefined) ?? null
  } catch {
    return null
  }
}

export async function forgetBlob(id: string): Promise<void> {
  memory.delete(id)
  await within('readwrite', (store) => store.delete(id)).catch(() => undefined)
}

export async function forgetBlobs(): Promise<void> {
  memory.clear()
  await within('readwrite', (store) => store.clear()).catch(() => undefined)
}

/** Drops what nobody refers to any more: a page can be closed between two steps. */
export async function sweepBlobs(used: ReadonlySet<string>): Promise<void> {
  const keys = (await within('readonly', (store) => store.getAllKeys()).catch(() => undefined)) ?? []
  for (const key of keys) if (!used.has(String(key))) await forgetBlob(String(key))
}
