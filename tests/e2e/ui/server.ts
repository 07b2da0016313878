// A real rcsd in its own process, on its own port and data directory.

import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
const binary = process.env.RCSD ?? join(root, 'target', 'debug', 'rcsd')

export class Server {
  private child: ChildProcess | null = null
  private printed = ''
  readonly data = mkdtempSync(join(tmpdir(), 'rcs-e2e-'))

  private constructor(readonly port: number, private readonly more: Record<string, string>) {}

  static async start(more: Record<string, string> = {}): Promise<Server> {
    const server = new Server(await freePort(), more)
    await server.launch()
    return server
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** The admin's key, which the server made for itself. */
  get key(): string {
    return readFileSync(join(this.data, 'admin.key'), 'utf8').trim()
  }

  /** The link that it printed at its start. */
  get link(): string {
    const link = /(http\S+\/code\/login#\S+)/.exec(this.printed)?.[1]
    if (!link) throw new Error(`no link in ${this.printed}`)
    return link.replace('localhost', '127.0.0.1')
  }

  async launch(): Promise<void> {
    this.printed = ''
    const child = spawn(binary, [], {
      env: { RCS_DATA: this.data, RCS_PORT: String(this.port), RCS_LOG: 'warn', RCS_HEARTBEAT_INTERVAL: '5', ...this.more },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.child = child
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`rcsd did not start: ${this.printed}`)), 30_000)
      child.stdout!.on('data', (piece: Buffer) => {
        this.printed += piece.toString()
        if (this.printed.includes('listening on')) {
          clearTimeout(timer)
          resolve()
        }
      })
      child.on('exit', () => reject(new Error(`rcsd ended: ${this.printed}`)))
    })
  }

  /** SIGKILL: nothing is flushed, nothing is said. */
  async kill(): Promise<void> {
    const child = this.child
    if (!child) return
    this.child = null
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  async end(): Promise<void> {
    await this.kill()
    rmSync(this.data, { recursive: true, force: true })
  }

  /** Asks as somebody with the admin's key. */
  async ask<T = Record<string, any>>(method: string, path: string, body?: unknown, token = this.key): Promise<T> {
    const response = await fetch(this.url + path, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    const text = await response.text()
    return (text ? JSON.parse(text) : null) as T
  }
}

/** Test files run side by side. Each worker has ports of its own, so that nobody takes one while its server is down. */
const PORTS_FROM = 11_000 + 4_000 * (Number(process.env.TEST_PARALLEL_INDEX ?? 0) % 4)
const PORTS = 4_000

/** Out of the range that the kernel hands out, so that a restart finds it free; and none that Chromium refuses. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const attempt = (port: number) => {
      const probe = createServer()
      probe.once('error', () => attempt(port + 1))
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(port)))
    }
    attempt(PORTS_FROM + Math.floor(Math.random() * (PORTS - 100)))
  })
}
