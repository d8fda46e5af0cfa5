import { execFileSync, spawnSync } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { beforeEach, expect, it, onTestFinished } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const SCRIPT = join(ROOT, 'tools/release.mjs')
const CHANGELOG = '# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A thing.\n\n## 0.1.0\n\n- First.\n'

let folder = ''

const write = (file: string, text: string): void => {
  mkdirSync(dirname(join(folder, file)), { recursive: true })
  writeFileSync(join(folder, file), text)
}
const read = (file: string): string => readFileSync(join(folder, file), 'utf8')
const git = (...args: string[]): string => {
  const identity = ['-c', 'user.name=Test', '-c', 'user.email=test@example.com']
  return execFileSync('git', [...identity, ...args], { cwd: folder, encoding: 'utf8' }).trim()
}
const release = (...args: string[]) => {
  const names = { GIT_AUTHOR_NAME: 'Test', GIT_COMMITTER_NAME: 'Test' }
  const emails = { GIT_AUTHOR_EMAIL: 'test@example.com', GIT_COMMITTER_EMAIL: 'test@example.com' }
  const env = { ...process.env, ...names, ...emails }
  return spawnSync(process.execPath, [SCRIPT, ...args], { cwd: folder, encoding: 'utf8', env })
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-release-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  write('package.json', '{ "name": "weir", "version": "0.1.0" }\n')
  write('packages/one/package.json', '{ "name": "@weir/one", "version": "0.1.0" }\n')
  write('Dockerfile', 'ARG VERSION=0.1.0\nLABEL version="${VERSION}"\n')
  write('CHANGELOG.md', CHANGELOG)
  git('init', '--quiet', '--initial-branch=main')
  git('add', '--all')
  git('commit', '--quiet', '--message', 'first')
})

it('sets the version everywhere, closes the changelog, commits and tags', () => {
  const { status, stdout, stderr } = release('minor')
  expect([status, stderr]).toEqual([0, ''])
  expect(JSON.parse(read('package.json'))).toEqual({ name: 'weir', version: '0.2.0' })
  expect(JSON.parse(read('packages/one/package.json'))).toEqual({ name: '@weir/one', version: '0.2.0' })
  expect(read('Dockerfile')).toContain('ARG VERSION=0.2.0\n')
  expect(read('CHANGELOG.md')).toMatch(
    /## \[Unreleased\]\n\n## \[0\.2\.0\] - \d{4}-\d\d-\d\d\n\n### Added\n\n- A thing\.\n\n## 0\.1\.0/,
  )
  expect(git('status', '--porcelain')).toBe('')
  expect(git('log', '-1', '--format=%s')).toBe('release: 0.2.0')
  expect(git('describe', '--exact-match')).toBe('v0.2.0')
  expect(stdout).toContain('docker build --build-arg VERSION=0.2.0 --build-arg REVISION=')
})

it('prints what it would do and changes nothing with --dry-run', () => {
  const { status, stdout } = release('major', '--dry-run')
  expect(status).toBe(0)
  expect(stdout).toMatch(/packages\/one\/package\.json: 0\.1\.0 -> 1\.0\.0/)
  expect(git('status', '--porcelain')).toBe('')
  expect(git('tag')).toBe('')
})

it.each([
  ['a version that is not newer', ['0.1.0'], /0\.1\.0 is not newer than 0\.1\.0/],
  ['a word', ['next'], /"next" is no version/],
  ['nothing', [], /npm run release -- /],
])('refuses %s', (_, args, message) => {
  const { status, stderr } = release(...args)
  expect([status, stderr]).toEqual([2, expect.stringMatching(message)])
})

it.each([
  ['changes that are not committed', () => write('new', ''), /the working tree has changes/],
  ['another branch', () => git('switch', '--quiet', '--create', 'other'), /a release is made on main/],
  ['a tag that exists', () => git('tag', 'v0.1.1'), /the tag v0\.1\.1 exists/],
  [
    'a changelog without entries',
    () => write('CHANGELOG.md', CHANGELOG.replace('- A thing.', '')),
    /no entry/,
  ],
])('refuses %s and changes nothing', (_, prepare, message) => {
  prepare()
  if (message.source === 'no entry') git('commit', '--quiet', '--all', '--message', 'empty')
  const before = git('rev-parse', 'HEAD')
  const { status, stderr } = release('patch')
  expect([status, stderr]).toEqual([2, expect.stringMatching(message)])
  expect([git('rev-parse', 'HEAD'), JSON.parse(read('package.json'))]).toEqual([
    before,
    { name: 'weir', version: '0.1.0' },
  ])
})

it('finds in this repository what it changes', () => {
  const own = (file: string): string => readFileSync(join(ROOT, file), 'utf8')
  const { version } = JSON.parse(own('package.json')) as { readonly version: string }
  const manifests = globSync(
    '{bench,cli,packages/*,services/*,tests/*,tools/*,verification/*}/package.json',
    { cwd: ROOT },
  )
  expect(manifests.length).toBeGreaterThan(20)
  for (const file of manifests)
    expect([file, own(file)]).toEqual([file, expect.stringContaining(`"version": "${version}"`)])
  expect(own('Dockerfile')).toContain(`ARG VERSION=${version}\n`)
  expect(own('CHANGELOG.md').split('## [Unreleased]\n')).toHaveLength(2)
})
