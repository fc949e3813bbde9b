import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import {
  ChangeStreamSource,
  createCdcPipeline,
  deadLetterMessage,
  deleteAfterConfirm,
  enrich,
  fileCheckpointStore,
  isCdcError,
  memoryCheckpointStore,
  mongoCheckpointStore,
  outboxRouter,
  RabbitPublisher,
  redrive,
  stopOnSignals,
  validate,
} from '../../../src/index.js'
import { read, rowsOf, sectionOf } from './pages.js'

const page = 'docs/configuration.md'

/** The properties that a declaration has in the source text, also those of its branches. */
function propertiesOf(path: string, name: string): string[] {
  const file = ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest)
  const found = new Set<string>()
  const collect = (node: ts.Node): void => {
    if (ts.isPropertySignature(node)) found.add(node.name.getText(file))
    else ts.forEachChild(node, collect)
  }
  for (const statement of file.statements) {
    const isType = ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)
    if (isType && statement.name.text === name) collect(statement)
  }
  return [...found]
}

/** The options that the code itself names when it refuses one that does not exist. */
async function acceptedBy(make: (options: never) => unknown): Promise<string[]> {
  try {
    await make({ nonsense: 1 } as never)
  } catch (error) {
    if (isCdcError(error) && error.code === 'CDC_OPTION_UNKNOWN') {
      return error.message.split('expected one of ')[1]?.split(', ') ?? []
    }
  }
  throw new Error('An option that does not exist was taken')
}

const url = 'amqp://localhost'
const seams = {
  name: 'orders',
  source: new ChangeStreamSource({ uri: 'mongodb://localhost', database: 'shop' }),
  transform: () => null,
  sink: new RabbitPublisher({ url }),
  checkpointStore: memoryCheckpointStore(),
}

interface Part {
  readonly heading: string
  readonly declarations: readonly (readonly [path: string, name: string])[]
  readonly make: (options: never) => unknown
}

const parts: readonly Part[] = [
  {
    heading: 'ChangeStreamSource',
    declarations: [['src/source/source-options.ts', 'ChangeStreamSourceOptions']],
    make: options => new ChangeStreamSource(options),
  },
  {
    heading: 'RabbitPublisher',
    declarations: [['src/rabbit/publisher-options.ts', 'RabbitPublisherOptions']],
    make: options => new RabbitPublisher(options),
  },
  {
    heading: 'exchange',
    declarations: [['src/rabbit/topology.ts', 'ExchangeOptions']],
    make: exchange => new RabbitPublisher({ url, exchange }),
  },
  {
    heading: 'queue',
    declarations: [['src/rabbit/topology.ts', 'QueueOptions']],
    make: queue => new RabbitPublisher({ url, queue }),
  },
  {
    heading: 'bindings',
    declarations: [['src/rabbit/topology.ts', 'BindingOptions']],
    make: binding => new RabbitPublisher({ url, bindings: [binding] }),
  },
  {
    heading: 'createCdcPipeline',
    declarations: [['src/pipeline/pipeline-options.ts', 'CdcPipelineOptions']],
    make: options => createCdcPipeline(options),
  },
  {
    heading: 'deadLetter',
    declarations: [['src/pipeline/dead-letters.ts', 'DeadLetterOptions']],
    make: deadLetter => createCdcPipeline({ ...seams, deadLetter }),
  },
  {
    heading: 'lease',
    declarations: [['src/pipeline/lease-options.ts', 'LeaseOptions']],
    make: lease => createCdcPipeline({ ...seams, lease }),
  },
  {
    heading: 'circuitBreaker',
    declarations: [['src/pipeline/circuit.ts', 'CircuitBreakerOptions']],
    make: circuitBreaker => createCdcPipeline({ ...seams, circuitBreaker }),
  },
  {
    heading: 'deadLetterMessage',
    declarations: [['src/message/dead-letter-message.ts', 'DeadLetterMessageOptions']],
    make: options => deadLetterMessage(options),
  },
  {
    heading: 'redrive',
    declarations: [['src/rabbit/redrive.ts', 'RedriveOptions']],
    make: options => redrive(options),
  },
  {
    heading: 'stopOnSignals',
    declarations: [['src/pipeline/stop-on-signals.ts', 'StopOnSignalsOptions']],
    make: options => stopOnSignals(createCdcPipeline(seams), options),
  },
  {
    heading: 'fileCheckpointStore',
    declarations: [['src/checkpoint/file-checkpoint-store.ts', 'FileCheckpointStoreOptions']],
    make: options => fileCheckpointStore(options),
  },
  {
    heading: 'mongoCheckpointStore',
    declarations: [
      ['src/checkpoint/mongo-checkpoint-store.ts', 'MongoCheckpointStoreOptions'],
      ['src/checkpoint/mongo-checkpoint-store.ts', 'MongoCheckpointStorePlace'],
    ],
    make: options => mongoCheckpointStore(options),
  },
  {
    heading: 'validate',
    declarations: [['src/transform/validate.ts', 'ValidateOptions']],
    make: options => validate({} as never, options),
  },
  {
    heading: 'enrich',
    declarations: [['src/transform/enrich.ts', 'EnrichOptions']],
    make: options => enrich(Number, String, options),
  },
  {
    heading: 'outboxRouter',
    declarations: [['src/outbox/outbox-router.ts', 'OutboxRouterOptions']],
    make: options => outboxRouter(options),
  },
  {
    heading: 'deleteAfterConfirm',
    declarations: [['src/outbox/delete-after-confirm.ts', 'DeleteAfterConfirmOptions']],
    make: options => deleteAfterConfirm({} as never, {} as never, options),
  },
  {
    heading: 'Back-off',
    declarations: [['src/retry.ts', 'BackOffOptions']],
    make: reconnect => new RabbitPublisher({ url, reconnect }),
  },
]

describe('docs/configuration.md', () => {
  describe.each(parts)('on $heading', ({ heading, declarations, make }) => {
    const rows = rowsOf(sectionOf(page, heading)).sort()

    it('has one row for each option of the types, and no other', () => {
      expect(rows).toEqual(declarations.flatMap(([path, name]) => propertiesOf(path, name)).sort())
    })

    it('has one row for each option that the code takes, and no other', async () => {
      expect(rows).toEqual((await acceptedBy(make)).sort())
    })
  })

  it('says that memoryCheckpointStore has no options', () => {
    expect(memoryCheckpointStore).toHaveLength(0)
    expect(sectionOf(page, 'memoryCheckpointStore')).toContain('Has no options')
  })

  it('gives the defaults that stand in the doc comments', () => {
    const wrong = parts.flatMap(({ heading, declarations }) =>
      declarations.flatMap(([path, name]) =>
        defaultsOf(path, name).filter(([option, value]) => !saysSo(heading, option, value)),
      ),
    )
    expect(wrong).toEqual([])
  })
})

/** The plain values (a number, a word, true or false) that doc comments give as defaults. */
function defaultsOf(path: string, name: string): [option: string, value: string][] {
  const declared =
    read(path)
      .split(new RegExp(`^export (?:interface|type) ${name}\\b`, 'm'))[1]
      ?.split(/^}/m)[0] ?? ''
  const comments = [...declared.matchAll(/\/\*\*((?:(?!\*\/).)*)\*\/\s+readonly (\w+)\??:/gs)]
  return comments.flatMap(([, comment = '', option = '']) => {
    const value = /@default\s+(?:\*\s+)?('[^']*'|true|false|\d+|\[\]|\{\})(?! ms)(?=[\s,:*]|$)/.exec(comment)?.[1]
    return value === undefined ? [] : [[option, value] as [string, string]]
  })
}

function saysSo(heading: string, option: string, value: string): boolean {
  const row = sectionOf(page, heading)
    .split('\n')
    .find(line => line.startsWith(`| \`${option}\` |`))
  return row?.split(' | ')[2]?.includes(`\`${value}\``) ?? false
}
