fn main() -> std::process::ExitCode {
    takt::cli::main()
}
