import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '../..')

/** An application in a temporary folder that has installed the packed tarball, as users do. */
export interface InstalledApp {
  readonly folder: string
  /** The packed file, for tools that look into it. */
  readonly tarball: string
  /** Writes a file into the application. */
  write(name: string, content: string): void
  /** Runs a program of it to its end. */
  node(name: string, env?: Record<string, string>): Promise<{ stdout: string; stderr: string }>
  /** Runs a tool that was installed, such as `tsc`. */
  tool(name: string, ...args: string[]): Promise<string>
  /** Starts a program that goes on until it's told to stop. */
  start(name: string, env: Record<string, string>): StartedProgram
  remove(): void
}

/** A program that was started. */
export interface StartedProgram {
  /** Waits for this in its output; rejects when it ends without. */
  said(pattern: RegExp): Promise<RegExpExecArray>
  /** Sends `SIGTERM`, and waits for its end. */
  stop(): Promise<{ code: number | null; stderr: string }>
}

const PEERS = ['mongodb', 'amqplib', 'typescript', '@types/node']

/** Packs this package and installs it beside these packages, all from npm's cache where it can. */
export async function installApp({ peers: names = PEERS }: { peers?: readonly string[] } = {}): Promise<InstalledApp> {
  const folder = mkdtempSync(join(tmpdir(), 'mrc-app-'))
  // Built before: the hook would build once more for each file of tests, and take `dist` away from the others meanwhile.
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
  const { stdout } = await run('npm', pack, { cwd: root })
  const tarball = join(folder, JSON.parse(stdout)[0].filename)
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const peers = names.map(name => `${name}@${devDependencies[name]}`)
  writeFileSync(join(folder, 'package.json'), '{ "name": "app", "private": true }')
  await run(
    'npm',
    [
      'install',
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      ...(peers.length === 0 ? ['--legacy-peer-deps'] : []),
      tarball,
      ...peers,
    ],
    { cwd: folder },
  )
  return {
    folder,
    tarball,
    write: (name, content) => writeFileSync(join(folder, name), content),
    node: (name, env = {}) => run(process.execPath, [name], { cwd: folder, env: { ...process.env, ...env } }),
    tool: async (name, ...args) => {
      try {
        return (await run(join(folder, 'node_modules/.bin', name), args, { cwd: folder })).stdout
      } catch (error) {
        return (error as { stdout: string }).stdout // the compiler's messages; the caller expects none
      }
    },
    start: (name, env) => {
      const child = spawn(process.execPath, [name], { cwd: folder, env: { ...process.env, ...env } })
      let stdout = ''
      let stderr = ''
      child.stdout.on('data', data => {
        stdout += data
      })
      child.stderr.on('data', data => {
        stderr += data
      })
      const closed = once(child, 'close')
      return {
        said: async pattern => {
          for (;;) {
            const found = pattern.exec(stdout)
            if (found) return found
            const more = await Promise.race([once(child.stdout, 'data'), closed.then(() => undefined)])
            if (!more) throw new Error(`Expected ${pattern} from ${name}, got its end: ${stderr}`)
          }
        },
        stop: async () => {
          child.kill('SIGTERM')
          const [code] = await closed
          return { code, stderr }
        },
      }
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
