// The suite lies in node_modules, where vitest does not look for tests by itself; conformance.test.mjs calls it.
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["*.test.mjs"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // One file after the other: the suite measures lifetimes of a second, and kills must not disturb it.
    fileParallelism: false,
  },
})
