import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig, type Plugin } from 'vite'

// The directory itself stays: the server's build watches it, and its `.gitignore` is committed.
function emptied(): Plugin {
  return {
    name: 'emptied',
    buildStart() {
      const dist = join(import.meta.dirname, 'dist')
      if (!existsSync(dist)) return
      for (const name of readdirSync(dist)) {
        if (name !== '.gitignore') rmSync(join(dist, name), { recursive: true })
      }
    },
  }
}

export default defineConfig({
  base: '/code/',
  plugins: [emptied()],
  build: {
    target: 'es2022',
    emptyOutDir: false,
    // Data URLs would need a wider policy, and everything comes from one host over one connection.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 400,
  },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  // `npx vite` beside a running rcsd.
  server: { proxy: { '/api': process.env.RCS_SERVER ?? 'http://127.0.0.1:3000' } },
})
