// promptfoo's Node package: a line of standard input is a file {tests, answers}, a line of output how many passed.
//     node evaluate.mjs FOLDER        where FOLDER is where promptfoo is installed
import fs from 'node:fs';
import { createRequire } from 'node:module';
import readline from 'node:readline';

const require = createRequire(`${process.argv[2]}/package.json`);
const promptfoo = (await import(require.resolve('promptfoo'))).default;
const print = console.log;
console.log = console.info = () => {};

for await (const path of readline.createInterface({ input: process.stdin })) {
  const { tests, answers } = JSON.parse(fs.readFileSync(path, 'utf8'));
  const replay = { id: () => 'recorded', callApi: async (prompt) => ({ output: answers[prompt] ?? '' }) };
  const suite = { prompts: ['{{asked}}'], providers: [replay], tests, writeLatestResults: false };
  const evaluation = await promptfoo.evaluate(suite, { showProgressBar: false, cache: false });
  const { successes, failures, errors } = (await evaluation.toEvaluateSummary()).stats;
  print(JSON.stringify({ successes, failures, errors }));
}
process.exit(0);
