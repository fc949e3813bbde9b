import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // Most tests wait for servers, so two files at a time suit two cores; more would only make the servers slow.
    maxWorkers: 2,
    // Unit tests need nothing; integration tests get real services from the global set-up.
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts', 'test/services/**/*.test.ts', 'test/package/**/*.test.ts'],
          globalSetup: ['test/integration/global-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
