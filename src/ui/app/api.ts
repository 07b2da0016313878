// The way to /api/v1: requests with their problems, and streams that come back by themselves.

import type { Problem } from './types'

export const BASE = '/api/v1'

/** What the server, or the way to it, had to say. */
export class Failure extends Error {
  constructor(
    readonly problem: Problem | null,
    readonly status: number,
    message: string,
  ) {
    super(message)
  }

  /** The way there was cut or the server is coming up: worth another try under the same id. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500
  }

  get kind(): string {
    return this.problem?.type.replace('urn:rcs:problem:', '') ?? ''
  }
}

const lost = new Set<() => void>()

/** Called when the server does not know this browser any more. */
export function onSignedOut(listener: () => void): void {
  lost.add(listener)
}

export async function call<T>(
  method: string,
  path: string,
  body?: unknown,
  options: { once?: string; signal?: AbortSignal; quiet?: boolean } = {},
): Promise<T> {
  const headers: Record<string, string> = { 'rcs-app': '1' }
  if (body !== undefined) headers['content-type'] = 'application/json'
  if (options.once) headers['idempotency-key'] = options.once
  let response: Response
  try {
    response = await fetch(BASE + path, {
      method,
      headers,
      credentials: 'same-origin',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(options.signal ? { signal: options.signal } : {}),
    })
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error
    throw new Failure(null, 0, 'offline')
  }
  if (!response.ok) throw await failureOf(response, options.quiet)
  if (response.status === 204) return undefined as T
  try {
    return (await response.json()) as T
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error
    // Cut short, or the page of a proxy or a hotel in between: nobody of ours has answered.
    throw new Failure(null, 0, 'offline')
  }
}

export async function failureOf(response: Response, quiet = false): Promise<Failure> {
  const problem = (await response.json().catch(() => null)) as Problem | null
  if (response.status === 401 && !quiet) lost.forEach((tell) => tell())
  return new Failure(problem, response.status, problem?.detail ?? response.statusText)
}

export interface Frame {
  event: string
  id: string | null
  data: string
}

/** Silence after which a stream is dead: the server sends a comment every 15 s. */
const SILENCE_MS = 40_000

/**
 * Reads one connection of server-sent events to its end. `EventSource` would hide the status, the problem and the
 * silence; all three matter here.
 */
export async function readStream(
  path: string,
  signal: AbortSignal,
  opened: () => void,
  each: (frame: Frame) => void,
  method = 'GET',
): Promise<void> {
  const own = new AbortController()
  const stop = () => own.abort()
  // A signal that was aborted before tells nobody any more.
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, { once: true })
  // Better than to wait for the silence: the device knows.
  addEventListener('offline', stop, { once: true })
  let watchdog = setTimeout(stop, SILENCE_MS)
  try {
    const response = await fetch(BASE + path, {
      method,
      headers: { accept: 'text/event-stream', 'rcs-app': '1' },
      credentials: 'same-origin',
      cache: 'no-store',
      signal: own.signal,
    })
    if (!response.ok || !response.body) throw await failureOf(response)
    if (!response.headers.get('content-type')?.startsWith('text/event-stream')) throw new Failure(null, 0, 'offline')
    opened()
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    let rest = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      clearTimeout(watchdog)
      watchdog = setTimeout(stop, SILENCE_MS)
      rest += value
      const frames = rest.split('\n\n')
      rest = frames.pop() ?? ''
      for (const text of frames) {
        const frame = parse(text)
        if (frame) each(frame)
      }
    }
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure(null, 0, 'offline')
  } finally {
    clearTimeout(watchdog)
    signal.removeEventListener('abort', stop)
    removeEventListener('offline', stop)
    own.abort()
  }
}

function parse(text: string): Frame | null {
  const frame: Frame = { event: 'message', id: null, data: '' }
  let any = false
  for (const line of text.split('\n')) {
    if (line.startsWith('data: ')) {
      frame.data += line.slice(6)
      any = true
    } else if (line.startsWith('event: ')) frame.event = line.slice(7)
    else if (line.startsWith('id: ')) frame.id = line.slice(4)
  }
  return any ? frame : null
}

const WAIT_MIN_MS = 400
const WAIT_MAX_MS = 8_000

/** Waits before another try: longer each time, not at the same moment as others, and not at all once the network is back. */
export function pause(attempt: number, signal: AbortSignal): Promise<void> {
  const most = Math.min(WAIT_MAX_MS, WAIT_MIN_MS * 2 ** Math.min(attempt, 6))
  const wait = most * (0.5 + Math.random() / 2)
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      removeEventListener('online', done)
      document.removeEventListener('visibilitychange', seen)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const seen = () => {
      if (document.visibilityState === 'visible') done()
    }
    const timer = setTimeout(done, wait)
    addEventListener('online', done)
    document.addEventListener('visibilitychange', seen)
    signal.addEventListener('abort', done)
  })
}

/** A random UUID. `crypto.randomUUID` is there only over TLS, and people begin on http://laptop:3000. */
export function uuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
