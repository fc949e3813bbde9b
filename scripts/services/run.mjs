// Runs one command to its end, with a cap that also holds for the command's own children.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/**
 * Never rejects: a command that can't be started gives code 127, one that is cut off code 124.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv | undefined, cwd?: string, timeoutMs?: number }} [options]
 * @returns {Promise<{ code: number, stdout: string, stderr: string }>}
 */
export function run(command, args, { env = process.env, cwd, timeoutMs = 30_000 } = {}) {
  return new Promise(resolve => {
    // A group of its own: a timeout ends `sh` together with the `apt-get` it waits for.
    const child = spawn(command, args, { env, cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    let timedOut = false
    const killGroup = () => {
      try {
        if (child.pid) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // The whole group has ended already.
      }
    }
    const timer = setTimeout(() => {
      timedOut = true
      killGroup()
    }, timeoutMs)
    process.once('exit', killGroup)
    /** @param {number} code */
    const finish = code => {
      clearTimeout(timer)
      process.off('exit', killGroup)
      resolve({ code, stdout, stderr })
    }
    child.stdout.setEncoding('utf8').on('data', text => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', text => {
      stderr += text
    })
    child.once('error', error => {
      stderr += error.message
      finish(127)
    })
    child.once('close', code => {
      if (timedOut) stderr += `${stderr ? '\n' : ''}Cut off after ${timeoutMs / 1000} s`
      finish(timedOut ? 124 : (code ?? 1))
    })
  })
}

/**
 * @param {string} command
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {string | undefined} its full path
 */
export function which(command, env = process.env) {
  const folders = (env.PATH ?? '').split(delimiter).filter(Boolean)
  return folders.map(folder => join(folder, command)).find(path => existsSync(path))
}
