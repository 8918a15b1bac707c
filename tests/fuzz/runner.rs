//! Runs one target over its corpus and mutations of it, and says how to repeat a failure.

use std::{
    fs, panic,
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    mutate,
    targets::{self, Target},
};

/// Any input is dealt with in less of a thread's time, also unoptimized.
const SLOWEST: Duration = Duration::from_secs(5);

/// The seed of a usual run.
const SEED: u64 = 1;

/// Fuzzes the target of this name.
///
/// # Panics
/// When an invariant does not hold, with the smallest input that shows it.
pub fn fuzz(name: &str) {
    let target = targets::ALL.iter().find(|target| target.name == name).unwrap();
    let corpus = corpus(name);
    for (file, input) in &corpus {
        try_one(target, input, &format!("tests/fuzz/corpus/{name}/{file}"));
    }
    let corpus: Vec<Vec<u8>> = corpus.into_iter().map(|(_, input)| input).collect();
    let number = |variable| std::env::var(variable).ok().map(|text| text.parse::<u64>().unwrap());
    let until = number("CONFAB_FUZZ_SECONDS").map(|s| Instant::now() + Duration::from_secs(s));
    let seed = number("CONFAB_FUZZ_SEED").unwrap_or_else(|| until.map_or(SEED, |_| random_seed()));
    let more = |round| until.map_or(round < target.rounds, |until| Instant::now() < until);
    let mut round = 0;
    while more(round) {
        let input = mutate::input(&corpus, seed, round);
        try_one(target, &input, &format!("CONFAB_FUZZ_SEED={seed}, round {round}"));
        round += 1;
    }
    eprintln!("{name}: {} inputs of the corpus, {round} of seed {seed}", corpus.len());
}

fn random_seed() -> u64 {
    rand::random::<u32>().into()
}

/// The checked-in inputs, by their names.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let mut inputs: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        })
        .collect();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    inputs.sort();
    inputs
}

fn holds(target: &Target, input: &[u8]) -> bool {
    panic::catch_unwind(|| (target.run)(input)).is_ok()
}

fn try_one(target: &Target, input: &[u8], origin: &str) {
    let started = thread_time();
    let name = target.name;
    if !holds(target, input) {
        let small = shrink(target, input.to_vec());
        let file = write(target, &small);
        panic!(
            "{name} does not hold: {origin}\n{:?}\nin {file}: once mended, put it \
             into tests/fuzz/corpus/{name}",
            String::from_utf8_lossy(&small)
        );
    }
    let took = thread_time().saturating_sub(started);
    if took >= SLOWEST {
        let file = write(target, input);
        panic!("{name}: {took:?} for {origin}, in {file}");
    }
}

/// How long this thread has had a processor, by the kernel's count of hundredths of a second:
/// what the machine does beside it does not matter. proc_pid_stat(5), fields 14 and 15.
fn thread_time() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks: u64 =
        fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// Keeps an input for whoever looks into it: the file.
fn write(target: &Target, input: &[u8]) -> String {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}", target.name));
    fs::write(&file, input).unwrap();
    file.display().to_string()
}

/// Leaves out of the input what the failure does not need.
fn shrink(target: &Target, mut input: Vec<u8>) -> Vec<u8> {
    let mut piece = input.len() / 2;
    let until = Instant::now() + SLOWEST;
    while piece > 0 && Instant::now() < until {
        let mut place = 0;
        while place < input.len() && Instant::now() < until {
            let mut less = input.clone();
            less.drain(place..(place + piece).min(input.len()));
            if holds(target, &less) {
                place += piece;
            } else {
                input = less;
            }
        }
        piece /= 2;
    }
    input
}
