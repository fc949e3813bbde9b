import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

// Each takes more than 15 s. Begun last, one of them would run alone while the other workers have nothing left to do.
const LONG =
  /(poison|policies-under-fault|stop|lease|rabbit-publisher-faults|services|source-(network|long-oplog|faults|oversized|scopes)|pipeline-(broker|mongo)-faults|pipeline-(restart|secrets|memory))\.test\.ts$/

class LongFilesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification): boolean => LONG.test(moduleId)
    const sorted = await super.sort(files)
    return [...sorted.filter(isLong), ...sorted.filter(file => !isLong(file))]
  }
}

const { CDC_MONGODB: mongodb = 'mongodb', CDC_AMQPLIB: amqplib = 'amqplib' } = process.env
// No test takes these limits for a measure: what has to be quick is measured in its test, from an event on.
const servers = { globalSetup: ['test/integration/global-setup.ts'], testTimeout: 180_000, hookTimeout: 180_000 }

export default defineConfig({
  test: {
    // Most tests wait for servers, so that three files at a time suit two cores.
    maxWorkers: 3,
    sequence: { sequencer: LongFilesFirst },
    // Unit tests need nothing; integration tests get real services from the global set-up.
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          // Loading the sources anew for each of 130 files takes longer than most of them do.
          isolate: false,
          // No test here takes this limit for a measure, and a property has many runs: on a busy machine the usual 5 s are short.
          testTimeout: 120_000,
        },
      },
      {
        // Which majors of the peers: `npm run test:matrix` names others.
        resolve: { alias: { mongodb, amqplib } },
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts', 'test/services/**/*.test.ts', 'test/package/**/*.test.ts'],
          ...servers,
        },
      },
      {
        // Faults that last longer than `npm test` should: `npm run test:long`.
        resolve: { alias: { mongodb, amqplib } },
        test: { name: 'long', include: ['test/long/**/*.test.ts'], ...servers, testTimeout: 300_000 },
      },
      {
        resolve: { alias: { mongodb: 'mongodb-6', amqplib: 'amqplib-0' } },
        test: {
          name: 'oldest',
          include: ['change-stream-source', 'checkpoint-stores', 'rabbit-publisher', 'pipeline-operations'].map(
            file => `test/integration/${file}.test.ts`,
          ),
          ...servers,
        },
      },
    ],
  },
})
