/// Steps are many small values that come and go on all threads, which glibc's allocator serializes.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    takt::cli::main()
}
