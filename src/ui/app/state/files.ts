// Files that go with a message: picked, kept, stored on the server under an id that makes storing twice the same as
// once, and read back.

import { signal, type Signal } from '@preact/signals'
import { BASE, Failure, failureOf, uuid } from '../api'
import { t } from '../words'
import { keepBlob, readBlob } from './blobs'
import { kept } from './kept'
import { IMAGE_TYPES } from './parts'

/** What the server takes for one file. */
export const FILE_BYTES_MAX = 10 * 1024 * 1024
/** Files of one message. */
export const FILES_MAX = 8
/** What an agent behind a link is sent within its message: it goes through one line with everything else. */
export const INLINE_BYTES_MAX = 3 * 1024 * 1024

export interface Picked {
  id: string
  name: string
  type: string
  size: number
  /** Its name on the server, once it is there. */
  stored?: string
}

/** What is attached and not said yet, for each session. */
export const attached = kept<Record<string, Picked[]>>('attached', {})

/** How much of a file is on its way, from 0 to 1. */
export const sent: Signal<Record<string, number>> = signal({})

export type Refusal = 'size' | 'count' | 'empty' | 'memory'

/** Keeps what was picked. What does not go, or may not last, is named with the reason. */
export async function attach(session: string, files: readonly File[]): Promise<{ name: string; why: Refusal }[]> {
  const refused: { name: string; why: Refusal }[] = []
  for (const file of files) {
    const before = attached.value[session] ?? []
    const why = file.size === 0 ? 'empty' : file.size > FILE_BYTES_MAX ? 'size' : before.length >= FILES_MAX ? 'count' : null
    if (why) {
      refused.push({ name: file.name, why })
      continue
    }
    const id = uuid()
    // Sent all the same, if the page stays open until then.
    if (!(await keepBlob(id, file))) refused.push({ name: file.name, why: 'memory' })
    const picked = { id, name: nameFor(file), type: file.type || 'application/octet-stream', size: file.size }
    attached.value = { ...attached.value, [session]: [...(attached.value[session] ?? []), picked] }
  }
  return refused
}

/** A name without a path. Pictures from the clipboard are all called the same. */
function nameFor(file: File): string {
  // eslint-disable-next-line no-control-regex
  const name = file.name.replace(/[/\\\u0000-\u001f\u007f]/g, '_').trim()
  return [...(name || 'file')].slice(-80).join('')
}

export function detach(session: string, id: string | null): Picked[] {
  const { [session]: before = [], ...others } = attached.value
  const rest = id === null ? [] : before.filter((file) => file.id !== id)
  attached.value = rest.length > 0 ? { ...others, [session]: rest } : others
  return before.filter((file) => !rest.includes(file))
}

const underWay = new Map<string, XMLHttpRequest>()

/** Lets go of a file that is on its way: what was taken back need not arrive. */
export function stop(id: string): void {
  underWay.get(id)?.abort()
}

/** Stores a file, once however often it is asked; `XMLHttpRequest` because `fetch` does not tell how far it is. */
export async function store(session: string, file: Picked): Promise<string> {
  const blob = await readBlob(file.id)
  if (!blob) throw new Failure(null, 410, t('attach.gone'))
  const path = `/files?name=${encodeURIComponent(file.name)}&session=${session}`
  const request = new XMLHttpRequest()
  const answer = new Promise<Response>((resolve, reject) => {
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) sent.value = { ...sent.value, [file.id]: event.loaded / event.total }
    }
    request.onload = () => resolve(new Response(request.responseText || null, { status: request.status, statusText: request.statusText }))
    request.onerror = request.ontimeout = request.onabort = () => reject(new Failure(null, 0, 'offline'))
  })
  request.open('POST', BASE + path)
  request.timeout = 300_000
  request.setRequestHeader('rcs-app', '1')
  request.setRequestHeader('content-type', file.type)
  request.setRequestHeader('idempotency-key', file.id)
  underWay.set(file.id, request)
  request.send(blob)
  try {
    const response = await answer
    if (!response.ok) throw await failureOf(response)
    return ((await response.json()) as { file_uuid: string }).file_uuid
  } finally {
    underWay.delete(file.id)
    const { [file.id]: _, ...others } = sent.value
    sent.value = others
  }
}

/** As a block within the message, for agents that cannot fetch. */
export async function inline(file: Picked): Promise<object> {
  const blob = await readBlob(file.id)
  if (!blob) throw new Failure(null, 410, t('attach.gone'))
  const uri = `file:///${encodeURIComponent(file.name)}`
  if (IMAGE_TYPES.has(file.type)) return { type: 'image', mimeType: file.type, data: await base64(blob) }
  const bytes = new Uint8Array(await blob.arrayBuffer())
  try {
    const words = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return { type: 'resource', resource: { uri, mimeType: file.type, text: words } }
  } catch {
    return { type: 'resource', resource: { uri, mimeType: file.type, blob: await base64(blob) } }
  }
}

function base64(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.onload = () => resolve(String(reader.result).split(',')[1] ?? '')
    reader.onerror = () => reject(new Failure(null, 410, t('attach.gone')))
    reader.readAsDataURL(blob)
  })
}

const KINDS: Record<string, string> = { png: 'image/png', jpg: 'image/jpeg', jpeg: 'image/jpeg', gif: 'image/gif', webp: 'image/webp' }

/** The kind of picture that a name promises; nothing where it promises none. */
export function pictureType(name: string): string | null {
  return KINDS[/\.(\w+)$/.exec(name)?.[1]?.toLowerCase() ?? ''] ?? null
}

/** Where a stored file is read: our own server, which gives it to whose it is. */
export function urlOf(uuid: string): string {
  return `${BASE}/files/file_${uuid.replaceAll('-', '').toLowerCase()}`
}
