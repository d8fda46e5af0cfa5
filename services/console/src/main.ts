import { runService } from '@weir/service-kit'
import { webConsole } from './index.ts'

await runService(webConsole)
