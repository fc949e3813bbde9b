// Processes and folders that end with us, however we end: a shell watches a pipe that only we hold open. The kernel
// closes it even after SIGKILL, when no handler of ours can run.
import { spawn } from 'node:child_process'
import { once } from 'node:events'

// $1 is the log file, the rest the command. The shell leads a process group of its own (`detached`), so `kill -9 -$$`
// reaches the command and whatever it started, stopped (SIGSTOP) processes included, and never us.
const SUPERVISOR = `
exec 3<&0
log=$1
shift
"$@" </dev/null >>"$log" 2>&1 3<&- &
p=$!
( cat <&3 >/dev/null 2>&1; kill -9 -$$ ) >/dev/null 2>&1 &
exec 3<&- </dev/null
echo "$p"
exec >/dev/null
wait $p`

// Makes the folder itself: were we killed between making it and starting this, nobody would remove it. It may take
// more than one try while a server that is just being killed still writes into it.
const JANITOR = `
d=$(mktemp -d "$1/$2-XXXXXX") || exit 1
echo "$d"
exec >/dev/null
cat
i=0
while [ -e "$d" ] && [ $i -lt 100 ]; do
  rm -rf "$d" 2>/dev/null
  i=$((i + 1))
  [ -e "$d" ] && sleep 0.1
done
[ ! -e "$d" ]`

/**
 * @typedef {object} Supervised
 * @property {number} pid  Of the command itself.
 * @property {boolean} running
 * @property {Promise<void>} exited
 * @property {() => Promise<void>} end  SIGKILL for the command and all it started; resolves when it's gone.
 */

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ log: string, env?: NodeJS.ProcessEnv, cwd?: string }} options
 * @returns {Promise<Supervised>}
 */
export async function supervise(command, args, { log, env = process.env, cwd }) {
  const shell = spawn('/bin/sh', ['-c', SUPERVISOR, 'cdc-supervisor', log, command, ...args], {
    env,
    cwd,
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const pid = Number(await firstLine(shell))
  let running = shell.exitCode === null && shell.signalCode === null
  /** @type {Promise<void>} */
  const exited = running
    ? new Promise(resolve => {
        shell.once('exit', () => {
          running = false
          resolve()
        })
      })
    : Promise.resolve()
  return {
    pid,
    get running() {
      return running
    },
    exited,
    async end() {
      // Killed by its own id first: the shell waits for it, so that its exit means that the command is gone for good.
      if (running) killQuietly(pid)
      await exited
      shell.stdin.destroy()
    },
  }
}

/** @param {number} pid */
function killQuietly(pid) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Already gone.
  }
}

/**
 * A new folder that goes away with us.
 * @param {string} parent
 * @param {string} prefix
 * @returns {Promise<{ path: string, remove: () => Promise<void> }>}
 */
export async function supervisedDirectory(parent, prefix) {
  const shell = spawn('/bin/sh', ['-c', JANITOR, 'cdc-janitor', parent, prefix], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const exited = once(shell, 'exit')
  const path = await firstLine(shell)
  return {
    path,
    async remove() {
      shell.stdin.destroy()
      const [code] = await exited
      if (code !== 0) throw new Error(`${path} could not be removed`)
    },
  }
}

/**
 * Runs a command when we end, or when told to.
 * @param {string} command
 * @param {readonly string[]} args
 * @returns {Promise<{ now: () => Promise<void> }>}
 */
export async function runAtOurEnd(command, args) {
  const script = 'echo; exec >/dev/null 2>&1; cat; exec "$@"'
  const shell = spawn('/bin/sh', ['-c', script, 'cdc-at-our-end', command, ...args], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const exited = once(shell, 'exit')
  await firstLine(shell)
  return {
    async now() {
      shell.stdin.destroy()
      await exited
    },
  }
}

/**
 * @param {import('node:child_process').ChildProcessByStdio<
 *   import('node:stream').Writable, import('node:stream').Readable, null>} shell
 * @returns {Promise<string>}
 */
function firstLine(shell) {
  // The shell may end while we still hold its pipe: nothing to do about it, and no reason to crash.
  shell.stdin.on('error', () => {})
  return new Promise((resolve, reject) => {
    let text = ''
    shell.stdout.setEncoding('utf8').on('data', chunk => {
      text += chunk
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')))
    })
    shell.once('error', reject)
    shell.stdout.once('end', () => reject(new Error('The supervising shell ended before it said anything')))
  })
}
