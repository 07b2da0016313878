// A real rcsd in its own process, on its own port and data directory. RCSD names the program.
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"

export const KEY = "alice-key-for-tests-0001"

// Out of the range that the kernel hands out, so that nobody else is given it while the server is down; and none of
// those that the browser's tests take.
const PORTS_FROM = 27_000
const PORTS = 4_000

async function freePort() {
  for (let port = PORTS_FROM + Math.floor(Math.random() * PORTS); ; port++) {
    const probe = createServer()
    const isFree = await new Promise((done) => {
      probe.once("error", () => done(false))
      probe.listen(port, "127.0.0.1", () => done(true))
    })
    if (!isFree) continue
    await new Promise((done) => probe.close(done))
    return port
  }
}

export class Server {
  static async start(environment = {}) {
    const server = new Server()
    server.data = mkdtempSync(join(tmpdir(), "rcs-streams-"))
    server.port = await freePort()
    server.environment = environment
    server.url = `http://127.0.0.1:${server.port}`
    await server.launch()
    return server
  }

  // Starts the process and waits until it says that it listens.
  async launch() {
    const program = process.env.RCSD
    if (!program) throw new Error("RCSD must name the program to test: use run.sh")
    const environment = {
      RCS_DATA: this.data,
      RCS_HOST: "127.0.0.1",
      RCS_PORT: String(this.port),
      RCS_API_KEYS: KEY,
      RCS_LOG: "warn",
      ...this.environment,
    }
    this.process = spawn(program, [], { env: environment, stdio: ["ignore", "pipe", "inherit"] })
    this.ended = new Promise((done) => this.process.once("exit", done))
    const lines = createInterface({ input: this.process.stdout })
    const listening = new Promise((done) => {
      lines.on("line", (line) => line.includes("listening on") && done(true))
    })
    const started = await Promise.race([listening, this.ended.then(() => false)])
    if (!started) throw new Error(`${program} ended at once`)
  }

  // SIGKILL: nothing is flushed, nothing is said.
  async kill() {
    this.process.kill("SIGKILL")
    await this.ended
  }

  async killAndRestart() {
    await this.kill()
    await this.launch()
  }

  async remove() {
    await this.kill()
    rmSync(this.data, { recursive: true, force: true })
  }
}
