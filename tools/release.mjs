// Sets the version, closes the changelog, commits and tags: `npm run release -- major|minor|patch|X.Y.Z [--dry-run]`.
import { execFileSync } from 'node:child_process'
import { globSync, readFileSync, writeFileSync } from 'node:fs'

const HELP = `npm run release -- major|minor|patch|X.Y.Z [--dry-run]

  --dry-run   print what would change, and change nothing

Run it on a clean main. It commits and tags; pushing and building the image are left to you.
`
const MANIFESTS = [
  'package.json',
  '{bench,cli,packages/*,services/*,tests/*,tools/*,verification/*}/package.json',
]
const UNRELEASED = '## [Unreleased]'

const fail = (message) => {
  process.stderr.write(`${message}\n`)
  process.exit(2)
}

const git = (...args) => execFileSync('git', args, { encoding: 'utf8' }).trim()

const parse = (version) => /^(\d+)\.(\d+)\.(\d+)$/.exec(version)?.slice(1).map(Number)

const nextVersion = (current, wanted) => {
  const [major, minor, patch] = parse(current)
  const next = {
    major: `${major + 1}.0.0`,
    minor: `${major}.${minor + 1}.0`,
    patch: `${major}.${minor}.${patch + 1}`,
  }
  const version = next[wanted] ?? wanted
  const parts = parse(version)
  if (parts === undefined) fail(`"${wanted}" is no version: use major, minor, patch or X.Y.Z\n\n${HELP}`)
  const firstDifference =
    parts.map((part, at) => part - [major, minor, patch][at]).find((by) => by !== 0) ?? 0
  if (firstDifference <= 0) fail(`${version} is not newer than ${current}`)
  return version
}

/** Replaces text that must be there once. */
const replaceOnce = (file, text, from, to) => {
  if (text.split(from).length !== 2) fail(`${file} must contain once: ${from}`)
  return text.replace(from, () => to)
}

const closeChangelog = (text, version, date) => {
  const [, entries = ''] = /^## \[Unreleased\]\n([^]*?)(?=^## )/m.exec(`${text}\n## `) ?? []
  if (!/^- /m.test(entries)) fail(`CHANGELOG.md has no entry under "${UNRELEASED}"`)
  return replaceOnce('CHANGELOG.md', text, UNRELEASED, `${UNRELEASED}\n\n## [${version}] - ${date}`)
}

const dockerfileOf = (text, current, version) =>
  replaceOnce('Dockerfile', text, `ARG VERSION=${current}\n`, `ARG VERSION=${version}\n`)

const manifestOf = (file, text, current, version) =>
  replaceOnce(file, text, `"version": "${current}"`, `"version": "${version}"`)

const checkRepository = (version) => {
  const branch = git('branch', '--show-current')
  if (branch !== 'main') fail(`a release is made on main, and this is ${branch}`)
  if (git('status', '--porcelain') !== '') fail('the working tree has changes: commit or remove them first')
  if (git('tag', '--list', `v${version}`) !== '') fail(`the tag v${version} exists`)
}

const args = process.argv.slice(2)
const isDryRun = args.includes('--dry-run')
const [wanted, ...rest] = args.filter((arg) => arg !== '--dry-run')
if (args.includes('--help')) {
  process.stdout.write(HELP)
  process.exit(0)
}
if (wanted === undefined || rest.length > 0) fail(HELP)

const current = JSON.parse(readFileSync('package.json', 'utf8')).version
const version = nextVersion(current, wanted)
if (!isDryRun) checkRepository(version)

const date = new Date().toISOString().slice(0, 10)
const edit = (file, change) => [file, change(readFileSync(file, 'utf8'))]
const edits = [
  edit('CHANGELOG.md', (text) => closeChangelog(text, version, date)),
  edit('Dockerfile', (text) => dockerfileOf(text, current, version)),
  ...globSync(MANIFESTS)
    .sort()
    .map((file) => edit(file, (text) => manifestOf(file, text, current, version))),
]
for (const [file, text] of edits) {
  process.stdout.write(`${file}: ${current} -> ${version}\n`)
  if (!isDryRun) writeFileSync(file, text)
}
const commit = ['commit', '--all', '--message', `release: ${version}`]
const tag = ['tag', '--annotate', `v${version}`, '--message', `Weir ${version}`]
for (const command of [commit, tag]) {
  process.stdout.write(`git ${command.join(' ')}\n`)
  if (!isDryRun) git(...command)
}
process.stdout.write(`
${isDryRun ? 'Nothing was changed. The release would be published with' : 'Publish it with'}:
  git push --follow-tags
  docker build --build-arg VERSION=${version} --build-arg REVISION=$(git rev-parse HEAD) --tag weir:${version} .
`)
